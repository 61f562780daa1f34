// Rows that the database will not have changed, whatever is done to them: what is done to many at once leaves them out.
#include "tests/conformance/stores.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace refused_rows_test {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;
using namespace std::chrono_literals;

std::vector<std::string> const names{"place-order"};

class RefusedRows : public ::testing::TestWithParam<std::string>
{
protected:
    RefusedRows() { store->register_engine("engine-a", names); }

    void create(std::string gid, std::string owner)
    {
        weft::create_write w;
        w.gid = std::move(gid);
        w.workflow = "place-order";
        w.input = "1";
        w.owner = std::move(owner);
        weft::write const write = w;
        ASSERT_EQ(store->apply({&write, 1}, false).front().what, weft::written::done);
    }

    // From now on no row whose gid begins with "bad" is changed.
    void refuse()
    {
        if (GetParam() == "sqlite")
            store.by_hand(
                "CREATE TRIGGER no BEFORE UPDATE ON trans_global WHEN NEW.gid LIKE 'bad%' BEGIN SELECT RAISE(ABORT, 'never'); END");
        else if (GetParam() == "mysql")
            store.by_hand("CREATE TRIGGER no BEFORE UPDATE ON trans_global FOR EACH ROW BEGIN IF NEW.gid LIKE 'bad%' THEN SIGNAL SQLSTATE "
                          "'45000' SET MESSAGE_TEXT = 'never'; END IF; END");
        else
        {
            store.by_hand("CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.gid LIKE 'bad%' THEN RAISE EXCEPTION "
                          "'never'; END IF; RETURN NEW; END $$");
            store.by_hand("CREATE TRIGGER no BEFORE UPDATE ON trans_global FOR EACH ROW EXECUTE FUNCTION no()");
        }
    }
    void allow() { store.by_hand(GetParam() == "postgres" ? "DROP TRIGGER no ON trans_global" : "DROP TRIGGER no"); }

    std::vector<std::string> claim(std::size_t limit)
    {
        auto c = store->claim("engine-a", names, limit, false);
        EXPECT_TRUE(c.alive);
        told = c.refused;
        std::vector<std::string> gids;
        for (auto const& row : c.rows)
        {
            gids.push_back(row.gid);
            EXPECT_EQ(row.owner, "engine-a");
            EXPECT_GE(row.attempts, 1u);
        }
        return gids;
    }

    conformance::fresh_store store{GetParam()};
    std::string              told;
};

INSTANTIATE_TEST_SUITE_P(, RefusedRows, ::testing::Values("sqlite", "postgres", "mysql"), [](auto const& each) { return each.param; });

TEST_P(RefusedRows, AreNotClaimedAndAllOthersAre)
{
    for (auto const* gid : {"bad 1", "a", "bad 2", "b", "c"})
    {
        create(gid, "");
        store.clock().advance(1ms);
    }
    refuse();
    EXPECT_THAT(claim(10), UnorderedElementsAre("a", "b", "c"));
    EXPECT_THAT(told, HasSubstr("gid=bad 1"));
    EXPECT_THAT(told, HasSubstr("gid=bad 2"));
    EXPECT_THAT(told, HasSubstr("never"));
    create("d", "");
    EXPECT_THAT(claim(1), UnorderedElementsAre("d")) << "nor do they take anybody's place";
    EXPECT_EQ(store->find("bad 1", false)->owner, "");
}

TEST_P(RefusedRows, AreAsManyAsTheyLikeBeforeAGoodOne)
{
    for (int i = 0; i < 50; ++i)
        create("bad " + std::to_string(i), "");
    store.clock().advance(1ms);
    create("a", "");
    refuse();
    std::vector<std::string> got;
    for (int claims = 0; claims < 5 && got.empty(); ++claims)
        got = claim(256);
    EXPECT_THAT(got, UnorderedElementsAre("a"));
}

// What cannot be read is paused when it is claimed, and that may be refused, too.
TEST_P(RefusedRows, MayBeUnreadableToo)
{
    create("bad", "");
    create("a", "");
    store.by_hand("UPDATE trans_global SET status = 'strange' WHERE gid = 'bad'");
    refuse();
    EXPECT_THAT(claim(10), UnorderedElementsAre("a"));
    EXPECT_THAT(store->claim("engine-a", names, 10, true).rows, SizeIs(1)) << "after a claim whose answer was lost";
}

// PostgreSQL may say no as late as that. What was read by then is leased to nobody.
TEST_P(RefusedRows, AreRefusedByTheCommitToo)
{
    if (GetParam() != "postgres")
        GTEST_SKIP() << "only PostgreSQL has such triggers";
    create("bad", "");
    create("a", "");
    refuse();
    store.by_hand("DROP TRIGGER no ON trans_global");
    store.by_hand(
        "CREATE CONSTRAINT TRIGGER no AFTER UPDATE ON trans_global DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION no()");
    EXPECT_THAT(claim(10), UnorderedElementsAre("a"));
    EXPECT_THAT(told, HasSubstr("gid=bad"));
    EXPECT_EQ(store->find("bad", false)->owner, "");
}

TEST_P(RefusedRows, AreNotReleasedAndAllOthersAre)
{
    store->register_engine("engine-b", names);
    store->register_engine("engine-c", names);
    for (auto const* gid : {"bad", "a", "b"})
        create(gid, "engine-b");
    create("c", "engine-c");
    refuse();
    for (auto const& other : store->beat("engine-a", names).others)
        EXPECT_TRUE(store->bury(other.engine, other.beats));
    std::size_t    released = 0;
    weft::released r;
    for (int i = 0; i < 10 && (i == 0 || r.more); ++i)
    {
        r = store->release_dead(100);
        released += r.count;
    }
    EXPECT_EQ(released, 3u);
    EXPECT_THAT(r.refused, HasSubstr("gid=bad"));
    EXPECT_THAT(claim(10), UnorderedElementsAre("a", "b", "c"));
    EXPECT_EQ(store->find("bad", false)->owner, "engine-b");
    EXPECT_TRUE(store->beat("engine-a", names).to_release) << "it is not forgotten whose it was";
    allow();
    store.reopen();  // or a minute later
    EXPECT_EQ(store->release_dead(100).count, 1u);
    EXPECT_THAT(claim(10), UnorderedElementsAre("bad"));
    EXPECT_FALSE(store->beat("engine-a", names).to_release);
}

}  // namespace refused_rows_test
