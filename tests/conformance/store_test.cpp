// What every store does. One suite, run over each of them.
#include "tests/conformance/stores.hpp"
#include "tests/support/burials.hpp"

#include <weft/errors.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace store_test {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;
using weft::written;

std::vector<std::string> const names{"place-order"};

class Store : public ::testing::TestWithParam<std::string>
{
protected:
    Store() { store->register_engine("engine-a", names); }

    written apply(weft::write w, bool repeated = false) { return store->apply(std::span(&w, 1), repeated).front().what; }

    weft::create_write create(std::string gid, std::string owner = "engine-a") const
    {
        weft::create_write w;
        w.gid = std::move(gid);
        w.workflow = "place-order";
        w.input = R"({"id":"o1"})";
        w.owner = std::move(owner);
        return w;
    }

    weft::extend_write extend(std::string gid, std::int64_t position, std::string entries, std::string owner = "engine-a") const
    {
        weft::extend_write w;
        w.gid = std::move(gid);
        w.owner = std::move(owner);
        w.position = position;
        w.entries = std::move(entries);
        w.entry_count = w.entries.empty() ? 0 : 1;
        return w;
    }

    weft::extend_write finish(std::string gid, std::int64_t position, weft::extend_write::decision d, std::string text) const
    {
        auto w = extend(std::move(gid), position, "");
        w.decide = d;
        w.finish = true;
        w.commits = d == weft::extend_write::decision::commit;
        w.text = std::move(text);
        return w;
    }

    weft::park_write park(std::string gid, std::int64_t position, std::chrono::milliseconds due_in) const
    {
        weft::park_write w;
        w.gid = std::move(gid);
        w.owner = "engine-a";
        w.position = position;
        w.due_in = due_in;
        return w;
    }

    weft::transaction row(std::string const& gid) { return store->find(gid, true).value(); }

    conformance::fresh_store store{GetParam()};
};

TEST_P(Store, CreatesATransactionOnce)
{
    EXPECT_EQ(apply(create("g1")), written::done);
    EXPECT_EQ(apply(create("g1")), written::exists);
    auto const t = row("g1");
    EXPECT_EQ(t.status, weft::status::prepared);
    EXPECT_EQ(t.workflow, "place-order");
    EXPECT_EQ(t.input, R"({"id":"o1"})");
    EXPECT_EQ(t.owner, "engine-a");
    EXPECT_EQ(t.attempts, 1u);
    EXPECT_EQ(t.position, 0);
    EXPECT_EQ(t.journal, R"({"journal":[]})");
    EXPECT_EQ(t.created, store.clock().now());
}

TEST_P(Store, CreatesNothingForAnEngineThatIsNotListed)
{
    EXPECT_EQ(apply(create("g1", "nobody")), written::fenced);
    EXPECT_FALSE(store->find("g1", false));
}

TEST_P(Store, TellsGidsApartThatArePrefixesOfEachOther)
{
    EXPECT_EQ(apply(create("order-1")), written::done);
    EXPECT_EQ(apply(create("order-10")), written::done);
    EXPECT_EQ(apply(extend("order-1", 0, R"({"id":"01"})")), written::done);
    EXPECT_EQ(row("order-10").position, 0);
    EXPECT_EQ(row("order-1").position, 1);
}

TEST_P(Store, AppendsEntriesToTheJournalAsText)
{
    apply(create("g1"));
    EXPECT_EQ(apply(extend("g1", 0, R"({"id":"01","data":"ä\"]}"})")), written::done);
    EXPECT_EQ(apply(extend("g1", 1, R"(,{"id":"02"})")), written::done);
    EXPECT_EQ(row("g1").journal, R"({"journal":[{"id":"01","data":"ä\"]}"},{"id":"02"}]})");
    EXPECT_EQ(row("g1").attempts, 0u) << "an entry shows that something went forward";
}

TEST_P(Store, RefusesAWriteOfAnotherOwner)
{
    store->register_engine("engine-b", names);
    apply(create("g1"));
    EXPECT_EQ(apply(extend("g1", 0, R"({"id":"01"})", "engine-b")), written::fenced);
    EXPECT_EQ(row("g1").position, 0);
}

TEST_P(Store, RefusesAWriteAtAnotherPosition)
{
    apply(create("g1"));
    apply(extend("g1", 0, R"({"id":"01"})"));
    EXPECT_EQ(apply(extend("g1", 0, R"({"id":"01"})")), written::fenced);
    EXPECT_EQ(apply(extend("g1", 2, R"(,{"id":"03"})")), written::fenced);
    EXPECT_EQ(row("g1").position, 1);
}

TEST_P(Store, KnowsAWriteThatItAppliedWhenItIsRepeated)
{
    EXPECT_EQ(apply(create("g1")), written::done);
    EXPECT_EQ(apply(create("g1"), true), written::done);
    auto const w = extend("g1", 0, R"({"id":"01"})");
    EXPECT_EQ(apply(w), written::done);
    EXPECT_EQ(apply(w, true), written::done);
    EXPECT_EQ(apply(extend("g1", 0, R"({"id":"other"})"), true), written::fenced) << "same position, other bytes";
    EXPECT_EQ(row("g1").position, 1);
    auto const p = park("g1", 1, 5s);
    EXPECT_EQ(apply(p), written::done);
    EXPECT_EQ(apply(p, true), written::done);
}

TEST_P(Store, RecordsTheDecisionWithItsResult)
{
    apply(create("g1"));
    auto w = extend("g1", 0, R"({"id":"01"})");
    w.decide = weft::extend_write::decision::commit;
    w.text = R"("receipt")";
    EXPECT_EQ(apply(w), written::done);
    auto t = row("g1");
    EXPECT_EQ(t.status, weft::status::submitted);
    EXPECT_EQ(t.result, R"("receipt")");
    EXPECT_EQ(t.position, 2);
    auto last = extend("g1", 2, R"(,{"id":"01","op":"confirm"})");
    last.finish = last.commits = true;
    EXPECT_EQ(apply(last), written::done);
    EXPECT_EQ(row("g1").status, weft::status::succeed);
    EXPECT_EQ(row("g1").position, 4);
}

TEST_P(Store, RecordsARollbackWithItsReason)
{
    apply(create("g1"));
    EXPECT_EQ(apply(finish("g1", 0, weft::extend_write::decision::roll_back, "out of stock")), written::done);
    EXPECT_EQ(row("g1").status, weft::status::failed);
    EXPECT_EQ(row("g1").reason, "out of stock");
}

TEST_P(Store, WritesNothingMoreToAFinalRow)
{
    apply(create("g1"));
    apply(finish("g1", 0, weft::extend_write::decision::commit, "1"));
    EXPECT_EQ(apply(extend("g1", 2, R"({"id":"01"})")), written::fenced);
    EXPECT_EQ(apply(park("g1", 2, 0s)), written::fenced);
    EXPECT_EQ(row("g1").journal, R"({"journal":[]})");
}

TEST_P(Store, LetsNoCommitPassARequestToCancel)
{
    apply(create("g1"));
    EXPECT_EQ(apply(weft::request_write{"g1", weft::request_write::kind::cancel}), written::done);
    EXPECT_EQ(apply(finish("g1", 0, weft::extend_write::decision::commit, "1")), written::cancel_requested);
    EXPECT_EQ(row("g1").status, weft::status::prepared);
    EXPECT_THAT(store->cancel_requests("engine-a"), ElementsAre("g1"));
    EXPECT_EQ(apply(finish("g1", 0, weft::extend_write::decision::roll_back, "cancelled")), written::done);
    EXPECT_THAT(store->cancel_requests("engine-a"), IsEmpty());
}

TEST_P(Store, SaysTooLateToACancelAfterTheDecision)
{
    apply(create("g1"));
    auto w = extend("g1", 0, "");
    w.decide = weft::extend_write::decision::commit;
    apply(w);
    EXPECT_EQ(apply(weft::request_write{"g1", weft::request_write::kind::cancel}), written::too_late);
    EXPECT_EQ(apply(weft::request_write{"nothing", weft::request_write::kind::cancel}), written::unknown_gid);
    EXPECT_EQ(apply(weft::request_write{"nothing", weft::request_write::kind::resume}), written::unknown_gid);
}

TEST_P(Store, GivesTheLeaseBackUntilTheRowIsDueAgain)
{
    apply(create("g1"));
    apply(park("g1", 0, 5s));
    EXPECT_EQ(row("g1").owner, "");
    auto early = store->claim("engine-a", names, 10, false);
    EXPECT_THAT(early.rows, IsEmpty());
    EXPECT_EQ(early.next_due, 5s);
    store.clock().advance(5s);
    auto const due = store->claim("engine-a", names, 10, false);
    ASSERT_THAT(due.rows, SizeIs(1));
    EXPECT_EQ(due.rows[0].owner, "engine-a");
    EXPECT_EQ(due.rows[0].attempts, 1u);
    EXPECT_EQ(due.next_due, std::nullopt);
}

TEST_P(Store, KeepsTheCountOfAttemptsThatEndedInDisorder)
{
    apply(create("g1"));
    auto w = park("g1", 0, 0s);
    w.keep_attempts = true;
    w.last_error = "the body threw";
    apply(w);
    EXPECT_EQ(row("g1").last_error, "the body threw");
    EXPECT_EQ(store->claim("engine-a", names, 10, false).rows.at(0).attempts, 2u);
}

TEST_P(Store, CountsNoProgressWhereAnOperationIsOnlySentAgain)
{
    apply(create("g1"));
    auto w = park("g1", 0, 0s);
    w.keep_attempts = true;
    w.sends = 3;
    w.last_error = "it broke down";
    apply(w);
    ASSERT_THAT(store->claim("engine-a", names, 10, false).rows, SizeIs(1));
    auto again = extend("g1", 0, R"({"id":"01"})");
    again.sent_again = true;
    EXPECT_EQ(apply(again), written::done);
    EXPECT_EQ(apply(again, true), written::done);
    EXPECT_EQ(row("g1").position, 1);
    EXPECT_EQ(row("g1").journal, R"({"journal":[{"id":"01"}]})");
    EXPECT_EQ(row("g1").attempts, 2u);
    EXPECT_EQ(row("g1").sends, 3u);
    EXPECT_EQ(row("g1").last_error, "it broke down");
    EXPECT_EQ(apply(again), written::fenced);
    EXPECT_EQ(apply(extend("g1", 1, R"(,{"id":"02"})")), written::done);
    EXPECT_EQ(row("g1").attempts, 0u);
    EXPECT_EQ(row("g1").sends, 0u);
    EXPECT_EQ(row("g1").last_error, "");
}

TEST_P(Store, DoesNotClaimWhatIsPausedUntilItIsResumed)
{
    apply(create("g1"));
    auto w = park("g1", 0, 0s);
    w.paused_reason = "a person must look";
    apply(w);
    store.clock().advance(24h);
    EXPECT_THAT(store->claim("engine-a", names, 10, false).rows, IsEmpty());
    EXPECT_EQ(row("g1").paused_reason, "a person must look");
    weft::list_filter paused;
    paused.paused = true;
    EXPECT_THAT(store->list(paused), SizeIs(1));
    EXPECT_EQ(apply(weft::request_write{"g1", weft::request_write::kind::resume}), written::done);
    EXPECT_THAT(store->claim("engine-a", names, 10, false).rows, SizeIs(1));
    EXPECT_THAT(store->list(paused), IsEmpty());
}

TEST_P(Store, MakesAPausedRowDueWhenItIsCancelled)
{
    apply(create("g1"));
    auto w = park("g1", 0, 0s);
    w.paused_reason = "a person must look";
    apply(w);
    EXPECT_EQ(apply(weft::request_write{"g1", weft::request_write::kind::cancel}), written::done);
    auto const c = store->claim("engine-a", names, 10, false);
    ASSERT_THAT(c.rows, SizeIs(1));
    EXPECT_TRUE(c.rows[0].cancel_requested);
}

TEST_P(Store, PausesNothingThatIsToBeCancelledUnlessItIsKnown)
{
    apply(create("g1"));
    EXPECT_EQ(apply(weft::request_write{"g1", weft::request_write::kind::cancel}), written::done);
    auto w = park("g1", 0, 5s);
    w.paused_reason = "a person must look";
    EXPECT_EQ(apply(w), written::cancel_requested);
    EXPECT_EQ(store->find("g1", false)->owner, "engine-a") << "nothing was written";
    w.despite_cancel = true;
    EXPECT_EQ(apply(w), written::done);
    EXPECT_EQ(store->find("g1", false)->paused_reason, "a person must look");
}

TEST_P(Store, ParksWhatIsToBeCancelledUntilNowUnlessItIsKnown)
{
    for (bool const known : {false, true})
    {
        auto const gid = known ? "known" : "unknown";
        apply(create(gid));
        EXPECT_EQ(apply(weft::request_write{gid, weft::request_write::kind::cancel}), written::done);
        auto w = park(gid, 0, 5s);
        w.despite_cancel = known;
        EXPECT_EQ(apply(w), written::done);
        EXPECT_THAT(store->claim("engine-a", names, 10, false).rows, SizeIs(known ? 0 : 1));
    }
}

TEST_P(Store, PausesWhatIsToBeCancelledOnceItIsDecided)
{
    apply(create("g1"));
    EXPECT_EQ(apply(weft::request_write{"g1", weft::request_write::kind::cancel}), written::done);
    weft::extend_write decides;
    decides.gid = "g1";
    decides.owner = "engine-a";
    decides.decide = weft::extend_write::decision::roll_back;
    decides.text = "cancelled";
    EXPECT_EQ(apply(decides), written::done);
    auto w = park("g1", 1, 5s);
    w.paused_reason = "the undo was refused";
    EXPECT_EQ(apply(w), written::done);
    EXPECT_EQ(store->find("g1", false)->paused_reason, "the undo was refused");
}

TEST_P(Store, ClaimsOnlyRegisteredWorkflowsAndOnlyOnce)
{
    apply(create("g1", ""));
    auto other = create("g2", "");
    other.workflow = "ship-order";
    apply(other);
    store->register_engine("engine-b", names);
    EXPECT_THAT(store->claim("engine-a", names, 10, false).rows, SizeIs(1));
    EXPECT_THAT(store->claim("engine-b", names, 10, false).rows, IsEmpty());
    weft::list_filter stranded;
    stranded.no_worker = true;
    auto const rows = store->list(stranded);
    ASSERT_THAT(rows, SizeIs(1));
    EXPECT_EQ(rows[0].gid, "g2");
}

TEST_P(Store, ClaimsNoMoreThanAskedFor)
{
    for (int i = 0; i < 5; ++i)
        apply(create("g" + std::to_string(i), ""));
    EXPECT_THAT(store->claim("engine-a", names, 3, false).rows, SizeIs(3));
    auto const rest = store->claim("engine-a", names, 3, false);
    EXPECT_THAT(rest.rows, SizeIs(2));
}

TEST_P(Store, ReturnsWhatAnEngineOwnsWhenAClaimIsInDoubt)
{
    apply(create("g1", ""));
    store->claim("engine-a", names, 10, false);
    auto const again = store->claim("engine-a", names, 10, true);
    ASSERT_THAT(again.rows, SizeIs(1));
    EXPECT_EQ(again.rows[0].attempts, 1u);
}

// Death is somebody else's judgement; the store says who is listed, and sees to it that a judgement from yesterday buries nobody.
TEST_P(Store, ReleasesWhatADeadEngineOwned)
{
    store->register_engine("engine-b", names);
    apply(create("g1"));
    auto const seen = beats_of(*store, "engine-a");
    EXPECT_TRUE(store->beat("engine-a", names).alive);
    EXPECT_NE(beats_of(*store, "engine-a"), seen);
    EXPECT_FALSE(store->bury("engine-a", seen)) << "it has beaten since";
    EXPECT_FALSE(store->bury("engine-c", seen)) << "there is none";
    EXPECT_FALSE(store->beat("engine-b", names).to_release);
    EXPECT_TRUE(store->bury("engine-a", beats_of(*store, "engine-a")));
    EXPECT_FALSE(store->bury("engine-a", beats_of(*store, "engine-a"))) << "only once";

    auto const beaten = store->beat("engine-b", names);
    EXPECT_TRUE(beaten.alive);
    EXPECT_THAT(beaten.others, IsEmpty());
    EXPECT_TRUE(beaten.to_release);
    EXPECT_FALSE(store->beat("engine-a", names).alive) << "its row is gone";
    EXPECT_EQ(row("g1").owner, "engine-a") << "not yet";
    EXPECT_EQ(store->release_dead(100).count, 1u);
    EXPECT_EQ(row("g1").owner, "");
    EXPECT_FALSE(store->beat("engine-b", names).to_release);
    EXPECT_FALSE(store->claim("engine-a", names, 10, false).alive);
    EXPECT_THAT(store->claim("engine-b", names, 10, false).rows, SizeIs(1));
}

// A clock that jumps is nobody's death.
TEST_P(Store, BuriesNobodyForTheSakeOfItsClock)
{
    store->register_engine("engine-b", names);
    apply(create("g1"));
    store.clock().advance(240h);
    EXPECT_THAT(store->beat("engine-b", names).others, SizeIs(1));
    EXPECT_EQ(store->release_dead(100).count, 0u);
    EXPECT_TRUE(store->beat("engine-a", names).alive);
    EXPECT_EQ(row("g1").owner, "engine-a");
}

TEST_P(Store, ReleasesInPortionsWhatADeadEngineOwned)
{
    store->register_engine("engine-b", names);
    for (int i = 0; i < 5; ++i)
        apply(create("g" + std::to_string(i)));
    apply(create("living", "engine-b"));
    EXPECT_TRUE(store->bury("engine-a", beats_of(*store, "engine-a")));
    std::size_t released = 0;
    int         portions = 0;
    for (bool more = true; more; ++portions)
    {
        auto const r = store->release_dead(2);
        EXPECT_LE(r.count, 2u);
        released += r.count;
        more = r.more;
        EXPECT_TRUE(store->beat("engine-b", names).alive);
    }
    EXPECT_EQ(released, 5u);
    EXPECT_EQ(portions, 3);
    EXPECT_EQ(row("living").owner, "engine-b");
    EXPECT_FALSE(store->beat("engine-b", names).to_release);
    EXPECT_THAT(store->claim("engine-b", names, 10, false).rows, SizeIs(5));
}

TEST_P(Store, SharesAClaimOutAmongTheWorkflows)
{
    std::vector<std::string> const three{"a", "b", "c"};
    auto const                     add = [&](std::string const& workflow, int count) {
        for (int i = 0; i < count; ++i)
        {
            auto w = create(workflow + std::to_string(i), "");
            w.workflow = workflow;
            apply(w);
        }
    };
    add("a", 20);
    add("b", 3);
    add("c", 20);
    auto const claimed = [&](std::vector<std::string> const& order, std::size_t limit) {
        std::map<std::string, int> by;
        for (auto const& row : store->claim("engine-a", order, limit, false).rows)
            ++by[row.workflow];
        return by;
    };
    using ::testing::Pair;
    EXPECT_THAT(claimed(three, 12), ElementsAre(Pair("a", 5), Pair("b", 3), Pair("c", 4)));
    EXPECT_THAT(claimed({"c", "a", "b"}, 1), ElementsAre(Pair("c", 1))) << "too few for all: the first ones";
    EXPECT_THAT(claimed(three, 2), ElementsAre(Pair("a", 1), Pair("c", 1))) << "nothing is due of b";
    EXPECT_THAT(claimed(three, 100), ElementsAre(Pair("a", 14), Pair("c", 14)));
}

TEST_P(Store, TellsOfTheSettledOnesAmongMany)
{
    std::vector<std::string> all{R"(it's \ not there)"};
    for (int i = 0; i < 6; ++i)
        apply(create(all.emplace_back("g" + std::to_string(i))));
    apply(finish("g1", 0, weft::extend_write::decision::commit, "1"));
    auto decided = finish("g2", 0, weft::extend_write::decision::roll_back, "no");
    decided.finish = false;
    apply(decided);
    auto paused = park("g3", 0, 0ms);
    paused.paused_reason = "look at it";
    apply(paused);
    apply(park("g4", 0, 0ms));
    std::map<std::string, weft::status> seen;
    for (auto const& row : store->settled(all))
    {
        seen[row.gid] = row.status;
        EXPECT_EQ(row.journal, "");
    }
    using ::testing::Pair;
    EXPECT_THAT(seen,
                ElementsAre(Pair("g1", weft::status::succeed), Pair("g2", weft::status::aborting), Pair("g3", weft::status::prepared)));
    EXPECT_THAT(store->settled({}), IsEmpty());
}

TEST_P(Store, ReleasesWhatAnEngineOwnedWhenItSignsOff)
{
    store->register_engine("engine-b", names);
    apply(create("g1"));
    store->unregister_engine("engine-a");
    EXPECT_THAT(store->claim("engine-b", names, 10, false).rows, SizeIs(1));
}

TEST_P(Store, SealsALongJournalIntoParts)
{
    apply(create("g1"));
    apply(extend("g1", 0, R"({"id":"01"})"));
    auto w = extend("g1", 1, R"({"id":"02"})");
    w.seal_part = 1;
    w.seal_entries = 1;
    EXPECT_EQ(apply(w), written::done);
    auto w2 = extend("g1", 2, R"({"id":"03"})");
    w2.seal_part = 2;
    w2.seal_entries = 2;
    EXPECT_EQ(apply(w2), written::done);
    auto const t = row("g1");
    EXPECT_EQ(t.journal, R"({"parts":2,"entries":2,"journal":[{"id":"03"}]})");
    EXPECT_THAT(t.parts, ElementsAre(R"({"journal":[{"id":"01"}]})", R"({"parts":1,"entries":1,"journal":[{"id":"02"}]})"));
    EXPECT_THAT(store->find("g1", false)->parts, IsEmpty());
}

TEST_P(Store, SealsNothingForAFencedWrite)
{
    apply(create("g1"));
    apply(extend("g1", 0, R"({"id":"01"})"));
    auto w = extend("g1", 0, R"({"id":"02"})");
    w.seal_part = 1;
    w.seal_entries = 1;
    EXPECT_EQ(apply(w), written::fenced);
    EXPECT_EQ(row("g1").journal, R"({"journal":[{"id":"01"}]})");
}

TEST_P(Store, SealsNothingForACommitThatMeetsARequestToCancel)
{
    apply(create("g1"));
    apply(extend("g1", 0, R"({"id":"01"})"));
    apply(weft::request_write{"g1", weft::request_write::kind::cancel});
    auto w = finish("g1", 1, weft::extend_write::decision::commit, "1");
    w.seal_part = 1;
    w.seal_entries = 1;
    EXPECT_EQ(apply(w), written::cancel_requested);
    EXPECT_EQ(row("g1").journal, R"({"journal":[{"id":"01"}]})");
    EXPECT_THAT(row("g1").parts, IsEmpty());
}

TEST_P(Store, ReportsEachWriteOfABatchByItself)
{
    apply(create("g1"));
    std::vector<weft::write> batch{create("g2"), create("g1"), extend("g1", 7, R"({"id":"01"})"), extend("g2", 0, R"({"id":"01"})"),
                                   extend("g3", 0, R"({"id":"01"})")};
    auto const               results = store->apply(batch, false);
    ASSERT_THAT(results, SizeIs(5));
    EXPECT_EQ(results[0].what, written::done);
    EXPECT_EQ(results[1].what, written::exists);
    EXPECT_EQ(results[2].what, written::fenced);
    EXPECT_EQ(results[3].what, written::done);
    EXPECT_EQ(results[4].what, written::unknown_gid);
}

TEST_P(Store, ListsOldestDueFirstAndPageByPage)
{
    for (int i = 0; i < 5; ++i)
    {
        apply(create("g" + std::to_string(i), ""));
        store.clock().advance(1s);
    }
    weft::list_filter f;
    f.unfinished = true;
    f.limit = 2;
    auto page = store->list(f);
    ASSERT_THAT(page, SizeIs(2));
    EXPECT_EQ(page[0].gid, "g0");
    EXPECT_EQ(page[1].gid, "g1");
    f.after = "g1";
    page = store->list(f);
    ASSERT_THAT(page, SizeIs(2));
    EXPECT_EQ(page[0].gid, "g2");
    EXPECT_TRUE(page[0].journal.empty());
}

TEST_P(Store, ListsByStatusAndWorkflow)
{
    apply(create("g1"));
    apply(create("g2"));
    apply(finish("g1", 0, weft::extend_write::decision::commit, "1"));
    weft::list_filter done;
    done.status = weft::status::succeed;
    EXPECT_THAT(store->list(done), SizeIs(1));
    weft::list_filter named;
    named.workflow = "place-order";
    EXPECT_THAT(store->list(named), SizeIs(2));
    named.workflow = "ship-order";
    EXPECT_THAT(store->list(named), IsEmpty());
}

TEST_P(Store, ChangesItsVersionWithEveryWrite)
{
    auto const before = store->version();
    apply(create("g1"));
    EXPECT_NE(store->version(), before);
}

TEST_P(Store, KeepsUnicodeAndLargeResults)
{
    std::string const gid = "订单-😀-é";
    std::string const large(1 << 20, 'x');
    apply(create(gid));
    EXPECT_EQ(apply(extend(gid, 0, R"({"id":"01","data":")" + large + R"("})")), written::done);
    EXPECT_EQ(apply(finish(gid, 1, weft::extend_write::decision::commit, '"' + large + '"')), written::done);
    EXPECT_EQ(row(gid).result.size(), large.size() + 2);
    EXPECT_EQ(row(gid).journal.size(), large.size() + 35);
}

TEST_P(Store, FindsEverythingAgainWhenItIsOpenedAnew)
{
    apply(create("g1"));
    apply(extend("g1", 0, R"({"id":"01"})"));
    store.reopen();
    EXPECT_EQ(row("g1").position, 1);
    EXPECT_EQ(row("g1").journal, R"({"journal":[{"id":"01"}]})");
}

INSTANTIATE_TEST_SUITE_P(, Store, ::testing::ValuesIn(conformance::kinds()), [](auto const& each) { return each.param; });

}  // namespace store_test
