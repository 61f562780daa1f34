// The same random operations on every store, compared after each: replies and rows.
//
// WEFT_SEEDS: so many worlds instead of the usual ones.
#include "tests/conformance/stores.hpp"
#include "tests/support/burials.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <limits>
#include <map>
#include <random>

namespace differential_test {

using namespace std::chrono_literals;

std::string describe(std::chrono::system_clock::time_point t) { return std::to_string(t.time_since_epoch() / 1ms); }

std::string describe(weft::branch_op const& o)
{
    std::string const payload =
        o.data.size() < 100 ? o.data : std::to_string(o.data.size()) + '#' + std::to_string(std::hash<std::string>()(o.data));
    return '\n' + o.branch_id + '|' + o.op + '|' + o.url + '|' + payload + '|' + std::string(to_string(o.status)) + '|' +
           describe(o.created) + '|' + describe(o.ended);
}

std::string describe(weft::transaction const& t)
{
    std::string text = t.gid + '|' + t.trans_type + '|' + t.workflow + '|' + t.input + '|' + std::string(to_string(t.status)) + '|' +
                       t.owner + '|' + std::to_string(t.position) + '|' + std::to_string(t.attempts) + '|' + std::to_string(t.sends) + '|' +
                       t.result + '|' + t.reason + '|' + t.last_error + '|' + t.paused_reason + '|' + std::to_string(t.cancel_requested) +
                       '|' + t.journal + '|' + std::to_string(t.parts.size()) + '|' + t.query_prepared + '|' + t.protocol + '|' +
                       t.options + '|' + t.custom_data + '|' + std::to_string(t.interval.count()) + '|' + describe(t.created) + '|' +
                       describe(t.updated) + '|' + describe(t.finished) + '|' + describe(t.rolled_back) + '|' + describe(t.seen);
    // Of the others it says nothing.
    if (t.owner.empty() && t.paused_reason.empty() && !is_final(t.status))
        text += '|' + describe(t.due);
    for (auto const& p : t.parts)
        text += '\n' + p;
    if (t.workflow.empty())
        for (auto const& o : t.ops)
            text += describe(o);
    return text;
}

class random_operations
{
public:
    explicit random_operations(std::uint64_t seed) : random_(seed), batches_(seed % 2 == 0)
    {
        for (auto const& kind : conformance::kinds())
            stores_.push_back(std::make_unique<conformance::fresh_store>(kind));
        for (auto const& e : engines_)
            each<int>([&](weft::store& s) {
                s.register_engine(e, names_);
                return 0;
            });
    }

    // Does one operation on all stores; the name of what it did, and how it ended.
    std::string step()
    {
        switch (pick(17))
        {
        case 0:
        case 1:
            return write("create", create());
        case 2:
        case 3:
        case 4:
            return write("extend", extend());
        case 5:
            return write("park", park());
        case 6:
            return write("request",
                         weft::request_write{gid(), pick(2) ? weft::request_write::kind::cancel : weft::request_write::kind::resume});
        case 7:
            return claim();
        case 8:
        case 9:
            return write("create", create_pattern());
        case 10:
        case 11:
            return write("record", record());
        case 12:
            return write("register", registration());
        case 13:
            return write("decide", decide());
        case 14:
            return batches_ ? batch() : write("create", create_pattern());
        case 15:
            return kv();
        default:
            return others();
        }
    }

    void compare_rows()
    {
        for (auto const& g : gids_)
        {
            std::string expected;
            for (std::size_t i = 0; i < stores_.size(); ++i)
            {
                auto const        row = (*stores_[i])->find(g, true);
                std::string const seen = row ? describe(*row) : "none";
                if (i == 0)
                    expected = seen;
                else
                    ASSERT_EQ(seen, expected) << conformance::kinds()[i] << " differs from " << conformance::kinds()[0];
            }
        }
    }

    std::uint64_t compared = 0;

private:
    std::size_t pick(std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random_); }
    std::string gid() { return gids_[pick(gids_.size())]; }
    std::string engine() { return engines_[pick(engines_.size())]; }

    template <class T>
    T each(std::function<T(weft::store&)> f)
    {
        std::optional<T> first;
        for (auto& s : stores_)
        {
            T const answer = f(**s);
            ++compared;
            if (!first)
                first = answer;
            else
                EXPECT_EQ(answer, *first);
        }
        return *first;
    }

    // Why a store refuses is its own business.
    static std::string describe_result(weft::write const& w, weft::write_result const& r)
    {
        auto text = std::to_string(static_cast<int>(r.what));
        if (r.what != weft::written::refused)
            text += ' ' + r.why;
        if (std::holds_alternative<weft::create_write>(w) && (r.what == weft::written::done || r.what == weft::written::exists))
            text += ' ' + describe(r.created);
        return text;
    }

    std::string write(std::string const& name, weft::write w)
    {
        bool const repeated = pick(6) == 0;
        return name + '=' + each<std::string>([&](weft::store& s) {
                                return describe_result(w, s.apply(std::span(&w, 1), repeated).at(0));
                            }).substr(0, 1);
    }

    // Several at once, more than one of them to the same row.
    std::string batch()
    {
        std::vector<weft::write> writes;
        for (std::size_t n = 2 + pick(7); n > 0; --n)
            switch (pick(8))
            {
            case 0:
                writes.push_back(create());
                break;
            case 1:
            case 2:
                writes.push_back(create_pattern());
                break;
            case 3:
                writes.push_back(extend());
                break;
            case 4:
                writes.push_back(record());
                break;
            case 5:
                writes.push_back(registration());
                break;
            case 6:
                writes.push_back(decide());
                break;
            default:
                writes.push_back(park());
            }
        bool const repeated = pick(6) == 0;
        auto const answer = each<std::string>([&](weft::store& s) {
            std::string all;
            auto const  results = s.apply(writes, repeated);
            for (std::size_t i = 0; i < writes.size(); ++i)
                all += describe_result(writes[i], results.at(i)) + '\n';
            return all;
        });
        return "batch";
    }

    std::string bytes()
    {
        switch (pick(40))
        {
        case 0:
            return std::string(1 << 20, static_cast<char>(pick(256)));
        case 1:
        case 2:
        case 3:
            return "";
        case 4:
        case 5:
            return "订单 'ü' \\ \" :x ;";
        default:
        {
            std::string some(pick(12), '\0');
            for (auto& c : some)
                c = static_cast<char>(pick(256));
            return some;
        }
        }
    }

    weft::branch_op op()
    {
        weft::branch_op o;
        o.branch_id = pick(2) ? "01" : pick(2) ? "02" : "01-01";
        o.op = pick(2) ? "action" : "compensate";
        o.url = pick(3) ? "http://stock:80/" + o.op : "";
        // Seldom another one: so that a registration often finds what it brings.
        o.data = pick(3) ? "{}" : bytes();
        o.status = pick(5) ? weft::status::prepared : pick(2) ? weft::status::succeed : weft::status::failed;
        return o;
    }

    weft::write create_pattern()
    {
        weft::create_write w;
        w.gid = gid();
        w.trans_type = pick(2) ? "saga" : "tcc";
        w.status = pick(2) ? weft::status::prepared : weft::status::submitted;
        w.owner = pick(3) ? engine() : "";
        w.query_prepared = pick(2) ? "http://shop:80/?a='b'" : "";
        w.protocol = pick(2) ? "grpc" : "";
        w.options = pick(2) ? R"({"a":"ü\\"})" : "";
        w.custom_data = pick(2) ? R"({"name":"place-order","input":1})" : "";
        w.due_in = std::chrono::milliseconds(pick(3) * 700);
        for (auto n = pick(4); n > 0; --n)
            w.ops.push_back(op());  // sometimes the same twice
        return w;
    }

    weft::write record()
    {
        weft::record_write w;
        w.gid = gid();
        auto const row = (*stores_[0])->find(w.gid, true);
        w.owner = row && !row->owner.empty() && pick(8) ? row->owner : engine();
        w.position = row && pick(8) ? row->position : static_cast<std::int64_t>(pick(4));
        if (pick(4))
            w.entries.push_back({"01", "action", pick(3) ? weft::status::succeed : weft::status::failed});
        if (pick(2))
            w.entries.push_back({"02", pick(2) ? "action" : "compensate", weft::status::succeed});
        if (pick(3) == 0)
            w.to = statuses_[pick(statuses_.size())];
        if (w.to && pick(2))
            w.reason = "out of 'stock'";
        return w;
    }

    weft::write registration()
    {
        weft::register_write w;
        w.gid = gid();
        for (auto n = pick(4); n > 0; --n)
            w.ops.push_back(op());
        return w;
    }

    weft::write decide()
    {
        weft::decide_write w;
        w.gid = gid();
        for (auto const s : {weft::status::prepared, weft::status::submitted, weft::status::aborting})
            if (pick(2))
                w.from.push_back(s);
        w.to = statuses_[pick(statuses_.size())];
        w.owner = pick(2) ? engine() : "";
        w.reason = pick(2) ? "reason" : "";
        w.result = pick(3) ? "" : "result";
        if (pick(3) == 0)
            w.options = pick(2) ? "{}" : "";
        if (pick(3) == 0)
            w.custom_data = pick(2) ? "ü" : "";
        return w;
    }

    std::string kv()
    {
        std::string const category = pick(5) ? "topics" : "engine", key = keys_[pick(keys_.size())];
        bool const        all_of_it = pick(2) == 0;
        switch (pick(3))
        {
        case 0:
            return "kv=" + std::to_string(each<std::size_t>([&](weft::store& s) {
                                              std::string all;
                                              for (auto const& r : s.kv(category, all_of_it ? "" : key, 0, 10))
                                                  all += r.category + '|' + r.key + '|' + r.value + '|' + std::to_string(r.version) + '|' +
                                                         describe(r.created) + '|' + describe(r.updated) + '\n';
                                              return std::hash<std::string>()(all);
                                          }) > 0);
        case 1:
        {
            auto const value = pick(4) ? "订单's \\ :x" : std::string(), other = std::to_string(pick(3));
            auto const version = static_cast<std::int64_t>(pick(4));
            return "put=" + std::to_string(each<bool>([&](weft::store& s) { return s.put_kv(category, key, value + other, version); }));
        }
        default:
            return "remove=" + std::to_string(each<bool>([&](weft::store& s) { return s.remove_kv(category, key); }));
        }
    }

    weft::write create()
    {
        weft::create_write w;
        w.gid = gid();
        w.workflow = names_[pick(2)];
        w.input = pick(2) ? R"({"n":1})" : "";
        w.owner = pick(3) ? engine() : "";
        return w;
    }

    // Mostly what the owner would write; sometimes not.
    weft::write extend()
    {
        weft::extend_write w;
        w.gid = gid();
        auto const row = (*stores_[0])->find(w.gid, true);
        w.owner = row && !row->owner.empty() && pick(8) ? row->owner : engine();
        w.position = row && pick(8) ? row->position : static_cast<std::int64_t>(pick(4));
        bool const empty = !row || row->journal.ends_with("[]}");
        if (pick(5))
        {
            w.entries = std::string(empty ? "" : ",") + R"({"id":")" + std::to_string(pick(100)) + R"(","data":"ü"})";
            w.entry_count = 1;
        }
        if (row && row->status == weft::status::prepared && pick(4) == 0)
        {
            w.decide = pick(2) ? weft::extend_write::decision::commit : weft::extend_write::decision::roll_back;
            w.text = pick(2) ? "\"text\"" : "";
            if (w.decide == weft::extend_write::decision::roll_back && pick(2))
                w.details = R"({"code":"sold-out"})";
            w.finish = pick(2) == 0;
            w.commits = w.decide == weft::extend_write::decision::commit;
        }
        else if (row && row->status != weft::status::prepared && pick(3) == 0)
        {
            w.finish = true;
            w.commits = row->status == weft::status::submitted;
        }
        else if (w.entry_count == 1 && pick(4) == 0)
        {
            w.sent_again = true;
            return w;
        }
        if (row && !empty && pick(6) == 0)
        {
            w.seal_part = static_cast<std::uint32_t>(row->parts.size()) + 1;
            w.seal_entries = static_cast<std::uint64_t>(row->position);
            if (w.entries.starts_with(","))
                w.entries.erase(0, 1);
        }
        return w;
    }

    weft::write park()
    {
        weft::park_write w;
        w.gid = gid();
        auto const row = (*stores_[0])->find(w.gid, false);
        w.owner = row && !row->owner.empty() && pick(8) ? row->owner : engine();
        w.position = row && pick(8) ? row->position : 0;
        w.due_in = std::chrono::seconds(pick(5));
        w.interval = std::chrono::milliseconds(pick(3) * 900);
        w.sends = static_cast<std::uint32_t>(pick(3));
        w.keep_attempts = pick(2) == 0;
        if (pick(4) == 0)
            w.paused_reason = "paused";
        else if (pick(2))
            w.last_error = "error";
        return w;
    }

    std::string claim()
    {
        auto const e = engine();
        bool const owned_too = pick(5) == 0;
        return "claim=" + each<std::string>([&](weft::store& s) {
                              // Which of several rows due at the same moment comes first is not promised: all of them, in order of their names.
                              auto                     c = s.claim(e, names_, 1000, owned_too);
                              std::vector<std::string> rows;
                              for (auto const& t : c.rows)
                                  rows.push_back(describe(t));
                              std::sort(rows.begin(), rows.end());
                              std::string all = c.alive ? "alive" : "dead";
                              for (auto const& r : rows)
                                  all += '\n' + r;
                              return all + (c.next_due ? std::to_string(c.next_due->count()) : "none");
                          }).substr(0, 5);
    }

    std::string others()
    {
        switch (pick(9))
        {
        case 5:
        {
            auto const after = std::chrono::milliseconds(pick(3000));
            auto const limit = pick(4) ? 1'000u : 0u;  // which of those that are due at the same moment is not promised
            return "make_due=" + std::to_string(each<std::string>([&](weft::store& s) {
                                                    auto const made = s.make_due(after, limit);
                                                    return std::to_string(made.count) + (made.more ? "+" : "");
                                                }) != "0");
        }
        case 6:
        {
            auto const age = std::chrono::milliseconds(pick(8000));
            return "purge=" + std::to_string(each<std::size_t>([&](weft::store& s) { return s.purge(age, 1'000); }) > 0);
        }
        case 7:
        case 8:
            return page();
        case 0:
        {
            auto const by = std::chrono::milliseconds(pick(3000));
            for (auto& s : stores_)
                s->clock().advance(by);
            return "advance";
        }
        case 1:
        {
            auto const e = engine();
            return "beat=" + std::to_string(each<bool>([&](weft::store& s) { return s.beat(e, names_).alive; }));
        }
        case 2:
        {
            // As it was when it was looked at, or a beat earlier.
            auto const e = engine();
            auto const off = static_cast<std::int64_t>(pick(4) == 0);
            bool const buried = each<bool>([&](weft::store& s) { return s.bury(e, beats_of(s, e) - off); });
            auto const count = each<std::size_t>([&](weft::store& s) { return s.release_dead(1'000).count; });
            return "bury=" + std::to_string(buried) + " release=" + std::to_string(count > 0);
        }
        case 3:
        {
            auto const e = engine();
            bool const gone = each<bool>([&](weft::store& s) { return !s.beat(e, names_).alive; });
            if (gone)
                each<int>([&](weft::store& s) {
                    s.register_engine(e, names_);
                    return 0;
                });
            return "register";
        }
        default:
        {
            weft::list_filter f;
            f.unfinished = pick(2);
            f.paused = pick(3) == 0;
            f.no_worker = pick(4) == 0;
            return "list=" + std::to_string(each<std::string>([&](weft::store& s) {
                                                std::vector<std::string> rows;
                                                for (auto const& t : s.list(f))
                                                    rows.push_back(t.gid);
                                                std::sort(rows.begin(), rows.end());
                                                std::string all;
                                                for (auto const& r : rows)
                                                    all += r + ' ';
                                                return all;
                                            }).empty());
        }
        }
    }

    // The newest first: their order is promised, but not of those that one batch created.
    std::string page()
    {
        weft::list_filter f;
        f.unfinished = pick(3) == 0;
        f.limit = batches_ ? 1'000 : 1 + pick(6);
        if (pick(3) == 0)
            f.trans_type = pick(2) ? "saga" : "workflow";
        auto const now = stores_[0]->clock().now();
        if (pick(3) == 0)
            f.created_from = now - std::chrono::milliseconds(pick(9000));
        if (pick(3) == 0)
            f.created_until = now - std::chrono::milliseconds(pick(2000));
        if (pick(4) == 0)
            f.status = statuses_[pick(statuses_.size())];
        auto const from = gid();
        bool const first = pick(2) == 0 || batches_;
        return "page=" + std::to_string(each<std::string>([&](weft::store& s) {
                                            auto       filter = f;
                                            auto const row = s.find(from, false);
                                            filter.before = first || !row ? 0 : row->id;
                                            std::vector<std::string> rows;
                                            auto                     last = std::numeric_limits<std::int64_t>::max();
                                            for (auto const& t : s.list(filter))
                                            {
                                                EXPECT_LT(t.id, last) << t.gid;
                                                last = t.id;
                                                rows.push_back(describe(t) + '\n');
                                            }
                                            if (batches_)
                                                std::sort(rows.begin(), rows.end());
                                            std::string all;
                                            for (auto const& r : rows)
                                                all += r;
                                            return all;
                                        }).empty());
    }

    std::mt19937_64                                        random_;
    bool                                                   batches_;
    std::vector<std::unique_ptr<conformance::fresh_store>> stores_;
    std::vector<std::string>                               names_{"place-order", "ship-order", ""};  // the last: patterns
    std::vector<std::string>                               engines_{"engine-a", "engine-b"};
    std::vector<std::string>                               keys_{"a", "a ", "ab", "订单", "o'; --"};
    std::vector<weft::status> statuses_{weft::status::prepared, weft::status::submitted, weft::status::aborting, weft::status::succeed,
                                        weft::status::failed};
    std::vector<std::string>  gids_{"order", "order-1", "order-10", "订单", "o'; DROP TABLE kv; --"};
};

TEST(DifferentialStores, AnswerTheSameToTheSameOperations)
{
    std::map<std::string, std::size_t> seen;
    std::uint64_t                      compared = 0;
    auto const* const                  worlds = std::getenv("WEFT_SEEDS");
    std::uint64_t const                last = worlds ? std::stoull(worlds) : 6;
    for (std::uint64_t seed = 1; seed <= last; ++seed)
    {
        SCOPED_TRACE("seed=" + std::to_string(seed));
        random_operations world(seed);
        for (int i = 0; i < 300; ++i)
        {
            SCOPED_TRACE("operation " + std::to_string(i));
            ++seen[world.step()];
            if (i % 5 == 0)
                world.compare_rows();
            if (::testing::Test::HasFailure())
                return;
        }
        world.compare_rows();
        compared += world.compared;
    }
    std::string kinds;
    for (auto const& [what, times] : seen)
        kinds += ' ' + what + " x" + std::to_string(times);
    std::printf("compared %llu answers of %zu stores:%s\n", static_cast<unsigned long long>(compared), conformance::kinds().size(),
                kinds.c_str());
    // A run in which an operation never succeeded, or never failed, proved nothing about it.
    auto const happened = [&](weft::written w, std::string const& name) { return seen[name + '=' + std::to_string(static_cast<int>(w))]; };
    using weft::written;
    EXPECT_GT(happened(written::done, "create"), 0u);
    EXPECT_GT(happened(written::exists, "create"), 0u);
    EXPECT_GT(happened(written::fenced, "create"), 0u);
    EXPECT_GT(happened(written::done, "extend"), 0u);
    EXPECT_GT(happened(written::fenced, "extend"), 0u);
    EXPECT_GT(happened(written::cancel_requested, "extend"), 0u);
    EXPECT_GT(happened(written::done, "park"), 0u);
    EXPECT_GT(happened(written::fenced, "park"), 0u);
    EXPECT_GT(happened(written::done, "request"), 0u);
    EXPECT_GT(happened(written::too_late, "request"), 0u);
    EXPECT_GT(happened(written::unknown_gid, "request"), 0u);
    for (auto const* name : {"create", "record", "register", "decide"})
        EXPECT_GT(happened(written::done, name), 0u) << name;
    EXPECT_GT(happened(written::refused, "create"), 0u);
    for (auto const* name : {"record", "decide"})
        EXPECT_GT(happened(written::fenced, name), 0u) << name;
    EXPECT_GT(happened(written::exists, "register"), 0u);
    for (auto const* name : {"register", "decide"})
        EXPECT_GT(happened(written::too_late, name), 0u) << name;
    for (auto const* name : {"record", "register", "decide"})
        EXPECT_GT(happened(written::unknown_gid, name), 0u) << name;
    for (auto const* name : {"put", "remove"})
        for (auto const* answer : {"=0", "=1"})
            EXPECT_GT(seen[name + std::string(answer)], 0u) << name << answer;
    EXPECT_GT(seen["make_due=1"], 0u);
    EXPECT_GT(seen["purge=1"], 0u);
    EXPECT_GT(seen["page=0"], 0u);
    EXPECT_GT(seen["claim=alive"], 0u);
    EXPECT_GT(seen["claim=deadn"], 0u);
    EXPECT_GT(seen["bury=1 release=1"], 0u);
}

}  // namespace differential_test
