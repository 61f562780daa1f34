// dtm's patterns, crashed at each of their writes: participants with a real barrier and a ledger without a key, so that a double effect shows.
#include "tests/simulation/server_backend.hpp"
#include "tests/simulation/sqlite_backend.hpp"

#include <weft/testing/environment.hpp>
#include <weft/transaction_manager.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

// After GoogleTest: failures are reported to it.
#include <weft/testing/crash_everywhere.hpp>

namespace patterns_test {

using weft::outcome;
using weft::status;
using weft::testing::environment;

// Services behind addresses. "…/no" says no, "…/lost" loses every second answer, "…/late" is ongoing once.
class services final : public weft::remote_caller
{
public:
    void start(weft::remote_operation const& o, weft::operation_call to) override
    {
        auto const key = to.where().id + ' ' + o.op;
        auto const n = ++calls[key];
        if (o.url.ends_with("/late") && n == 1)
            return std::move(to).answer(outcome::ongoing("later"));
        auto const said = perform(to.where().id, o);
        if (o.url.ends_with("/lost") && n % 2 == 1)
            return std::move(to).answer(outcome::error("the answer was lost"));
        std::move(to).answer(said);
    }

    std::map<std::string, int>         calls;
    std::map<std::string, std::string> barrier;  // "01 action" → who inserted it
    std::vector<std::string>           ledger;   // what really happened

private:
    outcome perform(std::string const& branch, weft::remote_operation const& o)
    {
        bool const        undo = o.op == "compensate" || o.op == "cancel" || o.op == "rollback";
        std::string const origin = o.op == "compensate" ? "action" : o.op == "cancel" ? "try" : "";
        if (o.op == "action" && o.url.find("/no") != std::string::npos)
            return outcome::failure("no");
        // A tcc's try is its client's own business.
        bool const nothing = undo && origin == "action" && barrier.try_emplace(branch + ' ' + origin, o.op).second;
        if (!barrier.try_emplace(branch + ' ' + o.op, o.op).second)
            return barrier[branch + ' ' + o.op] == o.op ? outcome::success() : outcome::failure("it was undone");
        if (!nothing)
            ledger.push_back(branch + ' ' + o.op);
        return outcome::success();
    }
};

struct world
{
    services                                                at;
    std::vector<std::unique_ptr<weft::transaction_manager>> managers;
};

// A client, which asks again with each process, since it does not know how far the last one came.
struct client
{
    using step = std::function<void(weft::transaction_manager&, std::function<void(std::exception_ptr)>)>;

    static void run(weft::transaction_manager& m, std::shared_ptr<std::vector<step> const> steps, std::size_t next)
    {
        if (next < steps->size())
            (*steps)[next](m, [&m, steps, next](std::exception_ptr) { run(m, steps, next + 1); });
    }
};

weft::global_transaction transaction(std::string type, std::vector<std::string> const& urls, std::string custom_data = {})
{
    weft::global_transaction t;
    t.gid = "g1";
    t.trans_type = std::move(type);
    t.custom_data = std::move(custom_data);
    t.query_prepared = "http://sender/ask";
    for (auto const& url : urls)
        t.steps.push_back({url, url, "{}"});
    return t;
}

client::step prepares(weft::global_transaction t)
{
    return [t](weft::transaction_manager& m, auto then) { m.prepare(t, [then](std::exception_ptr e, weft::transaction) { then(e); }); };
}
client::step submits(weft::global_transaction t)
{
    return [t](weft::transaction_manager& m, auto then) { m.submit(t, [then](std::exception_ptr e, weft::transaction) { then(e); }); };
}
client::step aborts(std::string type)
{
    return [type](weft::transaction_manager& m, auto then) {
        m.abort(weft::gid("g1"), type, "no", [then](std::exception_ptr e, weft::transaction) { then(e); });
    };
}
client::step registers(std::string type, std::string id, std::string undo, std::string confirm)
{
    std::vector<weft::branch_op> ops(2);
    for (auto& op : ops)
    {
        op.branch_id = id;
        op.url = "http://" + id + "/lost";
    }
    ops[0].op = std::move(undo);
    ops[1].op = std::move(confirm);
    return [type, ops](weft::transaction_manager& m, auto then) {
        m.register_branch(weft::gid("g1"), type, ops, [then](std::exception_ptr e, std::monostate) { then(e); });
    };
}

struct scenario
{
    using world = patterns_test::world;

    std::string               name;
    std::vector<client::step> steps;
    status                    ends_as;
    std::vector<std::string>  ledger;

    void arrange(environment& env, world& w) const
    {
        env.on_start([&w, steps = std::make_shared<std::vector<client::step> const>(steps)](weft::engine& e) {
            weft::manager_options o;
            o.caller = std::shared_ptr<weft::remote_caller>(std::shared_ptr<void>(), &w.at);
            w.managers.push_back(std::make_unique<weft::transaction_manager>(e, std::move(o)));
            client::run(*w.managers.back(), steps, 0);
        });
    }
    void act(environment& env, world&) const { env.engine(); }
};

void PrintTo(scenario const& s, std::ostream* out) { *out << s.name; }

std::vector<scenario> scenarios()
{
    auto const saga = transaction("saga", {"http://a/lost", "http://b/late"});
    auto const refused = transaction("saga", {"http://a/lost", "http://b", "http://c/no"});
    auto const concurrent = transaction("saga", {"http://a/lost", "http://b/no", "http://c/late"}, R"({"concurrent":true})");
    auto const message = transaction("msg", {"http://a/lost", "http://b/late"});
    auto const tcc = transaction("tcc", {}), xa = transaction("xa", {});
    return {
        {"saga", {submits(saga)}, status::succeed, {"01 action", "02 action"}},
        {"saga_refused", {submits(refused)}, status::failed, {"01 action", "02 action", "02 compensate", "01 compensate"}},
        {"saga_concurrent", {submits(concurrent)}, status::failed, {}},
        {"message", {prepares(message), submits(message)}, status::succeed, {"01 action", "02 action"}},
        {"tcc",
         {prepares(tcc), registers("tcc", "01", "cancel", "confirm"), registers("tcc", "02", "cancel", "confirm"), submits(tcc)},
         status::succeed,
         {"02 confirm", "01 confirm"}},
        {"tcc_aborted",
         {prepares(tcc), registers("tcc", "01", "cancel", "confirm"), registers("tcc", "02", "cancel", "confirm"), aborts("tcc")},
         status::failed,
         {"02 cancel", "01 cancel"}},
        {"xa",
         {prepares(xa), registers("xa", "01", "rollback", "commit"), registers("xa", "02", "rollback", "commit"), submits(xa)},
         status::succeed,
         {"01 commit", "02 commit"}},
    };
}

struct backend
{
    std::string                                                                     name;
    std::function<std::unique_ptr<weft::store>(std::shared_ptr<weft::clock> clock)> open;
};

class CrashedPatterns : public ::testing::TestWithParam<std::tuple<scenario, backend>>
{ };

TEST_P(CrashedPatterns, LeavesNothingHalfDone)
{
    auto const& [s, on] = GetParam();
    weft::testing::crash_options o;
    o.environment.open_store = on.open;
    auto const report = weft::testing::crash_everywhere(
        s,
        [&s = s](world& w, environment& env) {
            auto const row = env.store().find("g1", true);
            ASSERT_TRUE(row);
            EXPECT_EQ(row->status, s.ends_as) << row->reason << row->paused_reason;
            if (!s.ledger.empty())
            {
                EXPECT_EQ(w.at.ledger, s.ledger);
                return;
            }
            // Whatever was done has been undone, once.
            std::map<std::string, int> balance;
            for (auto const& entry : w.at.ledger)
            {
                auto const branch = entry.substr(0, entry.find(' '));
                balance[branch] += entry.ends_with("action") ? 1 : -1;
                EXPECT_LE(std::count(w.at.ledger.begin(), w.at.ledger.end(), entry), 1) << entry;
            }
            for (auto const& [branch, n] : balance)
                EXPECT_EQ(n, 0) << branch;
        },
        o);
    std::cout << s.name << " on " << on.name << ": " << report << '\n';
    RecordProperty("cases", static_cast<int>(report.cases()));
    EXPECT_GT(report.cases(), 0u);
}

INSTANTIATE_TEST_SUITE_P(, CrashedPatterns,
                         ::testing::Combine(::testing::ValuesIn(scenarios()),
                                            ::testing::Values(backend{"memory",
                                                                      [](auto c) { return weft::make_memory_store(std::move(c)); }},
                                                              backend{"sqlite", &simulation::open_sqlite})),
                         [](auto const& i) { return std::get<0>(i.param).name + "_on_" + std::get<1>(i.param).name; });

}  // namespace patterns_test
