// What no store takes, and what none acts upon: texts that are none, and a status that this version does not know. One suite, run over each store.
#include "tests/conformance/stores.hpp"

#include <weft/errors.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace unreadable_test {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using weft::status;
using weft::written;

std::vector<std::string> const names{"", "place-order"};

class Unreadable : public ::testing::TestWithParam<std::string>
{
protected:
    Unreadable() { store->register_engine("engine-a", names); }

    static weft::create_write workflow(std::string gid, std::string owner = "engine-a")
    {
        weft::create_write w;
        w.gid = std::move(gid);
        w.workflow = "place-order";
        w.input = "1";
        w.owner = std::move(owner);
        return w;
    }
    static weft::create_write saga(std::string gid, std::string owner = "")
    {
        weft::create_write w;
        w.gid = std::move(gid);
        w.trans_type = "saga";
        w.owner = std::move(owner);
        w.status = status::submitted;
        w.ops.resize(1);
        w.ops[0].branch_id = "01";
        w.ops[0].op = "action";
        return w;
    }
    written apply(weft::write w) { return store->apply(std::span(&w, 1), false).front().what; }

    conformance::fresh_store store{GetParam()};
};

INSTANTIATE_TEST_SUITE_P(, Unreadable, ::testing::ValuesIn(conformance::kinds()), [](auto const& each) { return each.param; });

// Wherever it stands in it, and however long the text is.
TEST(Texts, AreRefusedForOneBadCharacter)
{
    auto const store = weft::make_memory_store();
    int        n = 0;
    for (std::size_t size = 1; size <= 70; ++size)
        for (std::size_t at = 0; at < size; ++at)
            for (std::string const& put :
                 {std::string(1, '\0'), std::string("\x80"), std::string("\xff"), std::string("\x7f"), std::string("\xc3\xa9")})
            {
                weft::create_write w;
                w.gid = std::to_string(++n);
                w.input = std::string(size, 'a').replace(at, put.size(), put);
                weft::write const all(w);
                auto const        good = put.size() == 2 || put == "\x7f";
                EXPECT_EQ(store->apply({&all, 1}, false).front().what, good ? written::done : written::refused) << size << " " << at;
            }
}

// It is refused by itself; the others of its batch are written, and the next batch is.
TEST_P(Unreadable, ATextThatIsNoneIsRefusedAlone)
{
    ASSERT_EQ(apply(workflow("there")), written::done);
    ASSERT_EQ(apply(saga("saga", "engine-a")), written::done);
    int n = 0;
    for (std::string const& bad : {std::string("a\xff"), std::string("a\0b", 3), std::string("\xc3"), std::string("\xed\xa0\x80")})
    {
        std::vector<weft::write> batch{workflow("before " + std::to_string(++n)), workflow(bad)};
        auto                     input = workflow("input " + std::to_string(n));
        input.input = bad;
        batch.emplace_back(input);
        weft::extend_write e;
        e.gid = "there";
        e.owner = "engine-a";
        e.entry_count = 1;
        e.entries = bad;
        batch.emplace_back(e);
        weft::park_write p;
        p.gid = "there";
        p.owner = "engine-a";
        p.last_error = bad;
        batch.emplace_back(p);
        weft::record_write r;
        r.gid = "saga";
        r.owner = "engine-a";
        r.to = status::aborting;
        r.reason = bad;
        batch.emplace_back(r);
        batch.emplace_back(weft::register_write{bad, {}});
        weft::decide_write d;
        d.gid = bad;
        batch.emplace_back(d);
        batch.emplace_back(weft::request_write{bad, weft::request_write::kind::cancel});
        batch.emplace_back(workflow("after " + std::to_string(n)));
        auto const results = store->apply(batch, false);
        ASSERT_THAT(results, SizeIs(batch.size()));
        EXPECT_EQ(results.front().what, written::done);
        EXPECT_EQ(results.back().what, written::done);
        for (std::size_t i = 1; i + 1 < results.size(); ++i)
        {
            EXPECT_EQ(results[i].what, written::refused) << i;
            EXPECT_THAT(results[i].why, HasSubstr("UTF-8")) << i;
        }
        EXPECT_FALSE(store->find(bad, true));
    }
    EXPECT_EQ(store->find("there", true)->position, 0);
    EXPECT_EQ(store->find("saga", true)->position, 0);
}

class UnknownStatus : public Unreadable
{ };

INSTANTIATE_TEST_SUITE_P(, UnknownStatus, ::testing::Values("sqlite", "postgres", "mysql"), [](auto const& each) { return each.param; });

TEST_P(UnknownStatus, PausesATransactionInsteadOfRunningIt)
{
    apply(workflow("g1", ""));
    apply(workflow("g2", ""));
    apply(workflow("g3"));
    store.by_hand("UPDATE trans_global SET status = 'waiting' WHERE gid IN ('g1', 'g3')");
    auto const claimed = store->claim("engine-a", names, 10, false);
    ASSERT_THAT(claimed.rows, SizeIs(1));
    EXPECT_EQ(claimed.rows[0].gid, "g2");
    auto const t = store->find("g1", true).value();
    EXPECT_THAT(t.paused_reason, AllOf(HasSubstr("\"waiting\""), HasSubstr("status")));
    EXPECT_EQ(t.owner, "");
    EXPECT_THAT(store->claim("engine-a", names, 10, true).rows, SizeIs(1)) << "nor what it owns already";
    EXPECT_THAT(store->find("g3", true)->paused_reason, HasSubstr("waiting"));
    weft::list_filter paused;
    paused.paused = true;
    EXPECT_THAT(store->list(paused), SizeIs(2));
    EXPECT_EQ(apply(weft::request_write{"g1", weft::request_write::kind::cancel}), written::too_late);
    // A person puts it right.
    store.by_hand("UPDATE trans_global SET status = 'prepared' WHERE gid = 'g1'");
    EXPECT_EQ(apply(weft::request_write{"g1", weft::request_write::kind::resume}), written::done);
    EXPECT_THAT(store->claim("engine-a", names, 10, false).rows, SizeIs(1));
}

TEST_P(UnknownStatus, OfAnOperationPausesItsTransaction)
{
    apply(saga("g1"));
    apply(saga("g2"));
    store.by_hand("UPDATE trans_branch_op SET status = 'half' WHERE gid = 'g1'");
    auto const claimed = store->claim("engine-a", names, 10, false);
    ASSERT_THAT(claimed.rows, SizeIs(1));
    EXPECT_EQ(claimed.rows[0].gid, "g2");
    EXPECT_THAT(store->find("g1", false)->paused_reason, AllOf(HasSubstr("action"), HasSubstr("01"), HasSubstr("\"half\"")));
}

}  // namespace unreadable_test
