// The same random operations on every store, compared after each: replies and rows.
#include "tests/conformance/stores.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>

namespace {

using namespace std::chrono_literals;

std::string describe(weft::transaction const& t)
{
    return t.gid + '|' + t.workflow + '|' + t.input + '|' + std::string(to_string(t.status)) + '|' + t.owner + '|' +
           std::to_string(t.position) + '|' + std::to_string(t.attempts) + '|' + std::to_string(t.sends) + '|' + t.result + '|' + t.reason +
           '|' + t.last_error + '|' + t.paused_reason + '|' + std::to_string(t.cancel_requested) + '|' + t.journal + '|' +
           std::to_string(t.parts.size());
}

class random_operations
{
public:
    explicit random_operations(std::uint64_t seed) : random_(seed)
    {
        for (auto const& kind : conformance::kinds())
            stores_.push_back(std::make_unique<conformance::fresh_store>(kind));
        for (auto const& e : engines_)
            each<int>([&](weft::store& s) {
                s.enlist(e, names_);
                return 0;
            });
    }

    // Does one operation on all stores; the name of what it did, and how it ended.
    std::string step()
    {
        switch (pick(9))
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

    std::string write(std::string const& name, weft::write w)
    {
        bool const repeated = pick(6) == 0;
        auto const answer = each<std::string>([&](weft::store& s) {
            auto const r = s.apply(std::span(&w, 1), repeated);
            return std::to_string(static_cast<int>(r.at(0).what));
        });
        return name + '=' + answer;
    }

    weft::write create()
    {
        weft::create_write w;
        w.gid = gid();
        w.workflow = names_[pick(names_.size())];
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
            w.finish = pick(2) == 0;
            w.commits = w.decide == weft::extend_write::decision::commit;
        }
        else if (row && row->status != weft::status::prepared && pick(3) == 0)
        {
            w.finish = true;
            w.commits = row->status == weft::status::submitted;
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
        switch (pick(5))
        {
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
            return "beat=" + std::to_string(each<bool>([&](weft::store& s) { return s.beat(e, names_); }));
        }
        case 2:
            return "release=" + std::to_string(each<std::size_t>([&](weft::store& s) { return s.release_dead(4s); }) > 0);
        case 3:
        {
            auto const e = engine();
            bool const gone = each<bool>([&](weft::store& s) { return !s.beat(e, names_); });
            if (gone)
                each<int>([&](weft::store& s) {
                    s.enlist(e, names_);
                    return 0;
                });
            return "enlist";
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

    std::mt19937_64                                        random_;
    std::vector<std::unique_ptr<conformance::fresh_store>> stores_;
    std::vector<std::string>                               names_{"place-order", "ship-order"};
    std::vector<std::string>                               engines_{"engine-a", "engine-b"};
    std::vector<std::string>                               gids_{"order", "order-1", "order-10", "订单", "o'; DROP TABLE kv; --"};
};

TEST(DifferentialStores, AnswerTheSameToTheSameOperations)
{
    std::map<std::string, std::size_t> seen;
    std::uint64_t                      compared = 0;
    for (std::uint64_t seed = 1; seed <= 15; ++seed)
    {
        SCOPED_TRACE("seed=" + std::to_string(seed));
        random_operations world(seed);
        for (int i = 0; i < 250; ++i)
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
    EXPECT_GT(seen["claim=alive"], 0u);
    EXPECT_GT(seen["claim=deadn"], 0u);
    EXPECT_GT(seen["release=1"], 0u);
}

}  // namespace
