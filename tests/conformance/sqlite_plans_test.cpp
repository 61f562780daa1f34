// What the statements of the SQLite store visit. Finished transactions stay in the table for ever as far as they are concerned: no
// statement of the daily work may walk over them.
#include "tests/support/temporary_directory.hpp"

#include <weft/open_store.hpp>
#include <weft/store.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <map>

namespace sqlite_plans_test {

using namespace std::chrono_literals;

// What one run of a statement took, at most: rows that it visited without an index having led there, and steps of SQLite's machine, which
// count those that an index led to as well.
struct visit
{
    int scanned = 0, steps = 0;
};

// By statement. Of all connections opened meanwhile.
class visits
{
public:
    visits()
    {
        all().clear();
        sqlite3_auto_extension(reinterpret_cast<void (*)()>(&watch));
    }
    ~visits() { sqlite3_cancel_auto_extension(reinterpret_cast<void (*)()>(&watch)); }
    visits(visits const&) = delete;

    static std::map<std::string, visit>& all()
    {
        static std::map<std::string, visit> seen;
        return seen;
    }

private:
    static int watch(sqlite3* db, char const**, sqlite3_api_routines const*)
    {
        return sqlite3_trace_v2(db, SQLITE_TRACE_PROFILE, &ended, nullptr);
    }
    static int ended(unsigned, void*, void* statement, void*)
    {
        auto* const s = static_cast<sqlite3_stmt*>(statement);
        auto const* text = sqlite3_sql(s);
        auto&       most = all()[text ? text : ""];
        most.scanned = std::max(most.scanned, sqlite3_stmt_status(s, SQLITE_STMTSTATUS_FULLSCAN_STEP, 1));
        most.steps = std::max(most.steps, sqlite3_stmt_status(s, SQLITE_STMTSTATUS_VM_STEP, 1));
        return 0;
    }
};

// Everything that a store does day by day, on transactions of which `finished` are over.
void daily_work(weft::store& store, int finished)
{
    std::vector<std::string> const names{"w"};
    std::string const              engine = "engine-a";
    store.register_engine(engine, names);
    auto const apply = [&](weft::write w) { EXPECT_EQ(store.apply(std::span(&w, 1), false).front().what, weft::written::done); };
    auto const create = [&](std::string const& gid, std::string const& owner) {
        weft::create_write w;
        w.gid = gid;
        w.workflow = "w";
        w.owner = owner;
        apply(w);
    };
    auto const extend = [&](std::string const& gid, std::int64_t position, weft::extend_write::decision decide, bool finish,
                            std::uint32_t part = 0) {
        weft::extend_write w;
        w.gid = gid;
        w.owner = engine;
        w.position = position;
        w.entries = position > 0 && part == 0 ? R"(,{"id":"01"})" : R"({"id":"01"})";
        w.entry_count = 1;
        w.decide = decide;
        w.finish = finish;
        w.seal_part = part;
        w.seal_entries = part > 0 ? static_cast<std::uint64_t>(position) : 0;
        apply(w);
    };
    using decision = weft::extend_write::decision;
    for (int i = 0; i < finished; ++i)
    {
        auto const gid = "done-" + std::to_string(i);
        create(gid, engine);
        extend(gid, 0, i % 2 ? decision::commit : decision::roll_back, true);
    }
    for (auto const* gid : {"open-1", "open-2", "open-3"})
    {
        create(gid, engine);
        extend(gid, 0, decision::none, false);
        extend(gid, 1, decision::none, false, 1);
    }
    apply(weft::park_write{"open-1", engine, 2, 0ms, 0ms, 0, false, "", "later"});
    apply(weft::park_write{"open-2", engine, 2, 0ms, 0ms, 0, false, "a reason", ""});
    apply(weft::request_write{"open-2", weft::request_write::kind::resume});
    apply(weft::request_write{"open-3", weft::request_write::kind::cancel});
    create("nobody's", "");
    store.register_engine("engine-b", names);
    EXPECT_TRUE(store.beat(engine, names).alive);
    EXPECT_TRUE(store.bury("engine-b", 1));
    store.release_dead(10);
    EXPECT_EQ(store.claim(engine, names, 10, false).rows.size(), 3u);
    EXPECT_EQ(store.claim(engine, names, 10, true).rows.size(), 4u);
    EXPECT_EQ(store.cancel_requests(engine).size(), 1u);
    store.version();
    EXPECT_TRUE(store.find("open-1", true));
    std::vector<std::string> const waited_for{"open-1", "open-2", "done-1", "unheard-of"};
    EXPECT_EQ(store.settled(waited_for).size(), 1u);
    EXPECT_EQ(store.list({.unfinished = true}).size(), 4u);
    EXPECT_EQ(store.list({.paused = true}).size(), 0u);
    EXPECT_EQ(store.list({.no_worker = true}).size(), 0u);
    EXPECT_EQ(store.list({.status = weft::status::prepared, .workflow = "w"}).size(), 4u);
    store.unregister_engine(engine);
}

// The same of patterns, and what people and clocks do now and then.
void pattern_work(weft::store& store, int finished)
{
    std::vector<std::string> const patterns{""};
    std::string const              engine = "engine-a";
    store.register_engine(engine, patterns);
    auto const apply = [&](weft::write w) { EXPECT_EQ(store.apply(std::span(&w, 1), false).front().what, weft::written::done); };
    auto const create = [&](std::string const& gid, weft::status status) {
        weft::create_write w;
        w.gid = gid;
        w.trans_type = "saga";
        w.status = status;
        w.owner = engine;
        for (auto const* op : {"action", "compensate"})
            w.ops.push_back({"01", op, "http://a/b", "{}"});
        apply(w);
    };
    auto const record = [&](std::string const& gid, std::optional<weft::status> to) {
        apply(weft::record_write{gid, engine, 0, {{"01", "action", weft::status::succeed}}, to, ""});
    };
    for (int i = 0; i < finished; ++i)
    {
        auto const gid = "done-" + std::to_string(i);
        create(gid, weft::status::submitted);
        record(gid, i % 2 ? weft::status::succeed : weft::status::failed);
    }
    create("open-1", weft::status::prepared);
    apply(weft::register_write{"open-1", {{"02", "action", "http://a/b", "{}"}}});
    apply(weft::decide_write{"open-1", {weft::status::prepared}, weft::status::submitted, engine, "", "", "{}", "{}"});
    create("open-2", weft::status::submitted);
    record("open-2", {});
    apply(weft::park_write{"open-2", engine, 1, 1h, 10s});
    EXPECT_EQ(store.make_due(1min, 10).count, 1u);
    EXPECT_EQ(store.claim(engine, patterns, 10, true).rows.size(), 2u);
    EXPECT_EQ(store.find("open-1", true)->ops.size(), 3u);
    EXPECT_EQ(store.list({.unfinished = true, .trans_type = "saga"}).size(), 2u);
    EXPECT_EQ(store.list({.unfinished = true, .before = 0}).size(), 2u);
    EXPECT_EQ(store.list({.unfinished = true, .limit = 1, .before = 1'000'000}).size(), 1u);
    EXPECT_EQ(store.list({.limit = 10, .before = 0}).size(), 10u);
    EXPECT_EQ(store.list({.limit = 10, .before = 20}).size(), 10u);
    EXPECT_EQ(store.purge(1h, 10), 0u);
    EXPECT_EQ(store.purge(-1h, 10), 10u);
    for (int i = 0; i < finished; ++i)
        EXPECT_TRUE(store.put_kv("topics", std::to_string(i), "{}", 0));
    EXPECT_TRUE(store.put_kv("topics", "7", "{}", 1));
    EXPECT_EQ(store.kv("topics", "7", 0, 10).size(), 1u);
    EXPECT_TRUE(store.remove_kv("topics", "7"));
    store.unregister_engine(engine);
}

std::map<std::string, visit> visits_of_all_work(int finished)
{
    temporary_directory const directory;
    visits const              counted;
    daily_work(*weft::open_store(directory.url("weft.db")), finished);
    pattern_work(*weft::open_store(directory.url("patterns.db")), finished);
    return visits::all();
}

TEST(SqlitePlans, NoStatementWalksOverFinishedTransactions)
{
    constexpr int finished = 60, a_handful = 20;
    auto const    few = visits_of_all_work(finished), many = visits_of_all_work(4 * finished);
    ASSERT_GT(few.size(), 40u) << "the statements of the store were not seen";
    for (auto const& [text, visit] : few)
        EXPECT_LT(visit.scanned, a_handful) << text;
    // Nor by an index, or by their numbers: what takes longer the more of them there are does.
    std::size_t compared = 0;
    for (auto const& [text, visit] : many)
        if (auto const before = few.find(text); before != few.end())
        {
            ++compared;
            EXPECT_LT(visit.steps, before->second.steps + 2 * finished) << text;
        }
    EXPECT_GT(compared, 40u);
}

}  // namespace sqlite_plans_test
