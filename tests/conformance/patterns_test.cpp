// What every store does with transactions of patterns, whose operations are rows; with many transactions at once; and with the table kv.
// One suite, run over each store.
#include "tests/conformance/stores.hpp"

#include <weft/errors.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace patterns_test {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using weft::status;
using weft::written;

std::vector<std::string> const patterns{""};  // they have no workflow's name

class PatternStore : public ::testing::TestWithParam<std::string>
{
protected:
    PatternStore() { store->register_engine("engine-a", patterns); }

    weft::write_result result_of(weft::write w, bool repeated = false) { return store->apply(std::span(&w, 1), repeated).front(); }
    written            apply(weft::write w, bool repeated = false) { return result_of(std::move(w), repeated).what; }

    static weft::branch_op op(std::string branch_id, std::string name, std::string data = "{}", status s = status::prepared)
    {
        weft::branch_op o;
        o.branch_id = std::move(branch_id);
        o.op = std::move(name);
        o.url = "http://stock/" + o.op;
        o.data = std::move(data);
        o.status = s;
        return o;
    }

    static std::vector<weft::branch_op> two_branches()
    {
        return {op("01", "compensate"), op("01", "action"), op("02", "compensate"), op("02", "action")};
    }

    static weft::create_write saga(std::string gid, std::string owner = "engine-a")
    {
        weft::create_write w;
        w.gid = std::move(gid);
        w.trans_type = "saga";
        w.owner = std::move(owner);
        w.status = status::submitted;
        w.query_prepared = "http://shop/asked";
        w.protocol = "json-rpc";
        w.options = R"({"wait_result":true})";
        w.custom_data = R"({"concurrent":"ü: {}'\\"})";
        w.ops = two_branches();
        return w;
    }
    static weft::create_write prepared(std::string gid, std::string owner = "engine-a")
    {
        auto w = saga(std::move(gid), std::move(owner));
        w.trans_type = "tcc";
        w.status = status::prepared;
        w.ops.clear();
        return w;
    }

    static weft::record_write record(std::string gid, std::int64_t position, std::vector<weft::record_write::entry> entries,
                                     std::optional<status> to = {})
    {
        weft::record_write w;
        w.gid = std::move(gid);
        w.owner = "engine-a";
        w.position = position;
        w.entries = std::move(entries);
        w.to = to;
        return w;
    }

    static weft::decide_write decide(std::string gid, status to, std::string owner = "", std::vector<status> from = {status::prepared})
    {
        weft::decide_write w;
        w.gid = std::move(gid);
        w.from = std::move(from);
        w.to = to;
        w.owner = std::move(owner);
        return w;
    }

    weft::transaction row(std::string const& gid) { return store->find(gid, true).value(); }

    std::vector<std::string> names_of(std::string const& gid)
    {
        std::vector<std::string> names;
        for (auto const& o : row(gid).ops)
            names.push_back(o.branch_id + ' ' + o.op);
        return names;
    }

    void finish(std::string const& gid, status to = status::succeed)
    {
        EXPECT_EQ(apply(saga(gid)), written::done);
        EXPECT_EQ(apply(record(gid, 0, {}, to)), written::done);
    }

    conformance::fresh_store store{GetParam()};
};

INSTANTIATE_TEST_SUITE_P(, PatternStore, ::testing::ValuesIn(conformance::kinds()), [](auto const& each) { return each.param; });

TEST_P(PatternStore, KeepsWhatAClientSubmittedAsItWas)
{
    EXPECT_EQ(apply(saga("g1")), written::done);
    auto const t = row("g1");
    EXPECT_EQ(t.trans_type, "saga");
    EXPECT_EQ(t.status, status::submitted);
    EXPECT_EQ(t.query_prepared, "http://shop/asked");
    EXPECT_EQ(t.protocol, "json-rpc");
    EXPECT_EQ(t.options, R"({"wait_result":true})");
    EXPECT_EQ(t.custom_data, R"({"concurrent":"ü: {}'\\"})");
    EXPECT_EQ(t.input, "");
    EXPECT_EQ(t.workflow, "");
    EXPECT_EQ(t.interval, 0ms);
    EXPECT_EQ(t.seen, store.clock().now());
    ASSERT_THAT(t.ops, SizeIs(4));
    EXPECT_EQ(t.ops[1].branch_id, "01");
    EXPECT_EQ(t.ops[1].op, "action");
    EXPECT_EQ(t.ops[1].url, "http://stock/action");
    EXPECT_EQ(t.ops[1].data, "{}");
    EXPECT_EQ(t.ops[1].status, status::prepared);
    EXPECT_EQ(t.ops[1].created, t.created);
    EXPECT_EQ(t.ops[1].ended, weft::transaction().created);
    EXPECT_THAT(store->find("g1", false)->ops, IsEmpty());
    store.reopen();
    EXPECT_EQ(row("g1").ops.size(), 4u);
}

TEST_P(PatternStore, KeepsOperationsInTheOrderInWhichTheyWereMade)
{
    auto w = saga("g1");
    w.ops.clear();
    std::vector<std::string> expected;
    for (int i = 300; i > 0; --i)
    {
        w.ops.push_back(op(std::to_string(i), i % 2 ? "try" : "cancel"));
        expected.push_back(std::to_string(i) + (i % 2 ? " try" : " cancel"));
    }
    w.status = status::prepared;
    EXPECT_EQ(apply(w), written::done);
    EXPECT_EQ(apply(weft::register_write{"g1", {op("0", "z"), op("0", "a")}}), written::done);
    expected.insert(expected.end(), {"0 z", "0 a"});
    EXPECT_EQ(names_of("g1"), expected);
}

// Every byte; in every place of a statement where something could take one for its own.
TEST_P(PatternStore, KeepsPayloadsByteByByte)
{
    std::string every;
    for (int i = 0; i < 256; ++i)
        every += static_cast<char>(i);
    std::string const large(1 << 20, '\0');
    auto              w = saga("订单-😀'\\:x");
    w.ops = {op("01", "a", every), op("01", "b", ""),           op("01", "c", std::string(1, '\0')),
             op("01", "d", "\\"),  op("01", "e", "'; :gid \""), op("01", "f", "\xff\xfe"),
             op("01", "g", large), op("01", "h", "订单"),       op("01", "i", "{}\n\r\x1a")};
    EXPECT_EQ(apply(w), written::done);
    store.reopen();
    auto const ops = row(w.gid).ops;
    ASSERT_EQ(ops.size(), w.ops.size());
    for (std::size_t i = 0; i < ops.size(); ++i)
        EXPECT_TRUE(ops[i].data == w.ops[i].data) << ops[i].op << ": " << ops[i].data.size() << " bytes";
    store->register_engine("engine-b", patterns);
    store->unregister_engine("engine-a");
    auto const claimed = store->claim("engine-b", patterns, 10, false);
    ASSERT_THAT(claimed.rows, SizeIs(1));
    for (std::size_t i = 0; i < ops.size(); ++i)
        EXPECT_TRUE(claimed.rows[0].ops.at(i).data == w.ops[i].data) << ops[i].op;
}

TEST_P(PatternStore, TellsOperationsOfGidsApartThatArePrefixesOfEachOther)
{
    apply(saga("order-1"));
    apply(saga("order-10"));
    apply(saga("order-1 "));
    EXPECT_EQ(apply(record("order-1", 0, {{"01", "action", status::succeed}})), written::done);
    EXPECT_EQ(row("order-1").ops[1].status, status::succeed);
    EXPECT_EQ(row("order-10").ops[1].status, status::prepared);
    EXPECT_EQ(row("order-1 ").ops[1].status, status::prepared);
    EXPECT_THAT(row("order-1").ops, SizeIs(4));
}

TEST_P(PatternStore, CreatesNoneOfTheOperationsOfATakenGid)
{
    apply(prepared("g1"));
    auto const r = result_of(saga("g1"));
    EXPECT_EQ(r.what, written::exists);
    EXPECT_EQ(r.created, row("g1").created);
    EXPECT_THAT(row("g1").ops, IsEmpty());
    EXPECT_EQ(apply(saga("g2", "nobody")), written::fenced);
    EXPECT_FALSE(store->find("g2", false));
}

TEST_P(PatternStore, RefusesTwoOperationsOfOneNameAlone)
{
    auto twice = saga("g2");
    twice.ops.push_back(op("01", "action", "another"));
    std::vector<weft::write> batch{saga("g1"), twice, saga("g3")};
    auto const               results = store->apply(batch, false);
    EXPECT_EQ(results[0].what, written::done);
    EXPECT_EQ(results[1].what, written::refused);
    EXPECT_THAT(results[1].why, HasSubstr("the same name"));
    EXPECT_EQ(results[2].what, written::done);
    EXPECT_FALSE(store->find("g2", false));
    EXPECT_THAT(row("g3").ops, SizeIs(4));
    EXPECT_EQ(apply(saga("g2")), written::done) << "nothing of it was left";
}

// Servers limit what dtm's columns limit; the others of the batch do not suffer for it, and the error says nothing of what it held.
TEST_P(PatternStore, RefusesWhatDoesNotFitAlone)
{
    if (GetParam() != "postgres" && GetParam() != "mysql")
        return;
    std::string const secret = "http://s3cret/" + std::string(2'000, 'x');
    auto              large = saga("g2");
    large.ops[3].url = secret;
    apply(prepared("g4"));
    auto far = op("01", "confirm");
    far.url = secret;
    std::vector<weft::write> batch{saga("g1"), large, saga("g3"), weft::register_write{"g4", {op("02", "confirm"), far}}};
    auto const               results = store->apply(batch, false);
    EXPECT_EQ(results[0].what, written::done);
    EXPECT_EQ(results[2].what, written::done);
    for (auto const i : {1, 3})
    {
        EXPECT_EQ(results[static_cast<std::size_t>(i)].what, written::refused);
        EXPECT_THAT(results[static_cast<std::size_t>(i)].why, Not(HasSubstr("s3cret")));
        EXPECT_THAT(results[static_cast<std::size_t>(i)].why, HasSubstr("too long"));
    }
    EXPECT_FALSE(store->find("g2", false));
    EXPECT_THAT(row("g3").ops, SizeIs(4));
    EXPECT_THAT(row("g4").ops, IsEmpty());
    EXPECT_EQ(row("g4").position, 0);
    try
    {
        store->put_kv("topics", std::string(1'000, 'k'), "s3cret", 0);
        ADD_FAILURE() << "a key of 1,000 characters was taken";
    }
    catch (weft::store_error const& e)
    {
        EXPECT_THAT(e.what(), Not(HasSubstr("s3cret")));
    }
}

TEST_P(PatternStore, KnowsACreationThatItAppliedWhenItIsRepeated)
{
    EXPECT_EQ(apply(saga("g1")), written::done);
    EXPECT_EQ(apply(saga("g1"), true), written::done);
    auto other = saga("g1");
    other.custom_data = "other";
    EXPECT_EQ(apply(other, true), written::exists);
    other = saga("g1");
    other.trans_type = "msg";
    EXPECT_EQ(apply(other, true), written::exists);
    EXPECT_THAT(row("g1").ops, SizeIs(4));
}

TEST_P(PatternStore, IsDueWhenItWasToBe)
{
    auto w = prepared("g1", "");
    w.due_in = 3s;
    apply(w);
    auto const early = store->claim("engine-a", patterns, 10, false);
    EXPECT_THAT(early.rows, IsEmpty());
    EXPECT_EQ(early.next_due, 3s);
    store.clock().advance(3s);
    EXPECT_THAT(store->claim("engine-a", patterns, 10, false).rows, SizeIs(1));
}

TEST_P(PatternStore, ClaimsPatternsWithTheirOperationsAndWorkflowsWithoutAny)
{
    apply(saga("g1", ""));
    apply(saga("g2", ""));
    apply(prepared("g3", ""));
    weft::create_write w;
    w.gid = "g4";
    w.workflow = "place-order";
    apply(w);
    auto c = store->claim("engine-a", patterns, 10, false);
    ASSERT_THAT(c.rows, SizeIs(3));
    std::sort(c.rows.begin(), c.rows.end(), [](auto const& a, auto const& b) { return a.gid < b.gid; });
    EXPECT_THAT(c.rows[0].ops, SizeIs(4));
    EXPECT_THAT(c.rows[1].ops, SizeIs(4));
    EXPECT_EQ(c.rows[1].ops[3].op, "action");
    EXPECT_THAT(c.rows[2].ops, IsEmpty());
    EXPECT_EQ(c.rows[0].seen, store.clock().now());
    std::vector<std::string> const workflows{"place-order"};
    ASSERT_THAT(store->claim("engine-a", workflows, 10, false).rows, SizeIs(1));
    auto const again = store->claim("engine-a", patterns, 10, true);
    ASSERT_THAT(again.rows, SizeIs(3));
    EXPECT_EQ(again.rows[0].attempts, 1u);
}

TEST_P(PatternStore, RecordsHowOperationsEnded)
{
    apply(saga("g1"));
    store.clock().advance(2s);
    EXPECT_EQ(apply(record("g1", 0, {{"01", "action", status::succeed}, {"02", "action", status::failed}})), written::done);
    auto const t = row("g1");
    EXPECT_EQ(t.position, 2);
    EXPECT_EQ(t.attempts, 0u);
    EXPECT_EQ(t.status, status::submitted);
    EXPECT_EQ(t.ops[1].status, status::succeed);
    EXPECT_EQ(t.ops[1].ended, store.clock().now());
    EXPECT_EQ(t.ops[3].status, status::failed);
    EXPECT_EQ(t.ops[3].ended, store.clock().now());
    EXPECT_EQ(t.ops[0].status, status::prepared);
    EXPECT_EQ(t.ops[1].created, t.created);
    EXPECT_EQ(t.updated, store.clock().now());
}

TEST_P(PatternStore, RecordsADecisionAndTheEnd)
{
    apply(saga("g1"));
    auto w = record("g1", 0, {{"01", "action", status::failed}}, status::aborting);
    w.reason = "out of stock";
    EXPECT_EQ(apply(w), written::done);
    EXPECT_EQ(row("g1").status, status::aborting);
    EXPECT_EQ(row("g1").reason, "out of stock");
    EXPECT_EQ(row("g1").position, 2);
    store.clock().advance(1s);
    EXPECT_EQ(apply(record("g1", 2, {{"01", "compensate", status::succeed}}, status::failed)), written::done);
    auto const t = row("g1");
    EXPECT_EQ(t.status, status::failed);
    EXPECT_EQ(t.reason, "out of stock");
    EXPECT_EQ(t.rolled_back, store.clock().now());
    EXPECT_EQ(t.finished, weft::transaction().finished);
    EXPECT_EQ(apply(record("g1", 4, {{"02", "action", status::succeed}})), written::fenced) << "it is over";

    finish("g2");
    EXPECT_EQ(row("g2").finished, store.clock().now());
    EXPECT_EQ(row("g2").rolled_back, weft::transaction().rolled_back);
    EXPECT_THAT(store->claim("engine-a", patterns, 10, true).rows, IsEmpty());
}

TEST_P(PatternStore, RecordsNothingForAnotherOwnerOrAtAnotherPosition)
{
    apply(saga("g1"));
    auto stranger = record("g1", 0, {{"01", "action", status::succeed}});
    stranger.owner = "engine-b";
    EXPECT_EQ(apply(stranger), written::fenced);
    EXPECT_EQ(apply(record("g1", 1, {{"01", "action", status::succeed}})), written::fenced);
    EXPECT_EQ(apply(record("nothing", 0, {})), written::unknown_gid);
    EXPECT_EQ(row("g1").ops[1].status, status::prepared);
    EXPECT_EQ(row("g1").position, 0);
    auto const w = record("g1", 0, {{"01", "action", status::succeed}}, status::succeed);
    EXPECT_EQ(apply(w), written::done);
    EXPECT_EQ(apply(w, true), written::done) << "its answer was lost";
    EXPECT_EQ(apply(w), written::fenced);
    EXPECT_EQ(apply(stranger, true), written::fenced);
}

TEST_P(PatternStore, PassesOverAnOutcomeOfAnOperationThatIsNotThere)
{
    apply(saga("g1"));
    EXPECT_EQ(apply(record("g1", 0, {{"07", "action", status::succeed}, {"01", "action", status::succeed}})), written::done);
    EXPECT_EQ(row("g1").position, 2);
    EXPECT_THAT(row("g1").ops, SizeIs(4));
    EXPECT_EQ(row("g1").ops[1].status, status::succeed);
}

TEST_P(PatternStore, RegistersOperationsWhileItIsPrepared)
{
    apply(prepared("g1"));
    store.clock().advance(1s);
    EXPECT_EQ(apply(weft::register_write{"g1", {op("01", "confirm"), op("01", "cancel")}}), written::done);
    EXPECT_EQ(apply(weft::register_write{"g1", {op("02", "confirm"), op("02", "done", "r", status::succeed)}}), written::done);
    auto const t = row("g1");
    EXPECT_THAT(names_of("g1"), ElementsAre("01 confirm", "01 cancel", "02 confirm", "02 done"));
    EXPECT_EQ(t.position, 4);
    EXPECT_EQ(t.updated, store.clock().now());
    EXPECT_EQ(t.ops[0].created, store.clock().now());
    EXPECT_EQ(t.ops[0].ended, weft::branch_op().ended);
    EXPECT_EQ(t.ops[3].ended, store.clock().now());
    EXPECT_EQ(t.ops[3].status, status::succeed);
    EXPECT_EQ(apply(record("g1", 0, {{"01", "confirm", status::succeed}})), written::fenced) << "its owner goes on from here";
    EXPECT_EQ(apply(record("g1", 4, {{"01", "confirm", status::succeed}})), written::done);
}

TEST_P(PatternStore, RegistersWhatIsThereOnlyOnce)
{
    apply(prepared("g1"));
    std::string const                  odd("a\0\xff", 3);
    std::vector<weft::branch_op> const ops{op("01", "confirm", odd), op("01", "cancel")};
    EXPECT_EQ(apply(weft::register_write{"g1", ops}), written::done);
    EXPECT_EQ(apply(weft::register_write{"g1", ops}), written::done);
    EXPECT_EQ(apply(weft::register_write{"g1", ops}, true), written::done);
    EXPECT_EQ(apply(weft::register_write{"g1", {ops[0], op("02", "confirm"), op("02", "confirm")}}), written::done);
    EXPECT_THAT(names_of("g1"), ElementsAre("01 confirm", "01 cancel", "02 confirm"));
    EXPECT_EQ(row("g1").position, 3);
    EXPECT_EQ(apply(weft::register_write{"g1", {op("03", "confirm"), op("01", "confirm", std::string("a\0\xfe", 3))}}), written::exists);
    auto elsewhere = op("01", "cancel");
    elsewhere.url = "http://elsewhere";
    EXPECT_EQ(apply(weft::register_write{"g1", {elsewhere}}), written::exists);
    EXPECT_EQ(apply(weft::register_write{"g1", {op("04", "confirm"), op("04", "confirm", "other")}}), written::exists);
    EXPECT_THAT(names_of("g1"), SizeIs(3)) << "none of a refused registration";
    EXPECT_EQ(row("g1").position, 3);
}

TEST_P(PatternStore, SaysHowItStandsToARegistrationThatIsTooLate)
{
    apply(saga("g1"));
    auto const r = result_of(weft::register_write{"g1", {op("03", "action")}});
    EXPECT_EQ(r.what, written::too_late);
    EXPECT_EQ(r.why, "submitted");
    EXPECT_EQ(apply(weft::register_write{"nothing", {op("03", "action")}}), written::unknown_gid);
    EXPECT_THAT(row("g1").ops, SizeIs(4));
}

TEST_P(PatternStore, DecidesAtSomebodysRequestAndFencesTheOwner)
{
    store->register_engine("engine-b", patterns);
    apply(prepared("g1"));
    auto p = weft::park_write{"g1", "engine-a", 0, 0ms};
    p.paused_reason = "a person must look";
    apply(p);
    store.clock().advance(1s);
    auto w = decide("g1", status::submitted, "engine-b");
    w.custom_data = "new";
    w.options = "";
    EXPECT_EQ(apply(w), written::done);
    auto t = row("g1");
    EXPECT_EQ(t.status, status::submitted);
    EXPECT_EQ(t.owner, "engine-b");
    EXPECT_EQ(t.attempts, 1u);
    EXPECT_EQ(t.position, 1);
    EXPECT_EQ(t.paused_reason, "");
    EXPECT_EQ(t.last_error, "");
    EXPECT_EQ(t.custom_data, "new");
    EXPECT_EQ(t.options, "");
    EXPECT_EQ(t.updated, store.clock().now());
    EXPECT_EQ(apply(record("g1", 1, {})), written::fenced);

    auto r = result_of(decide("g1", status::submitted, "engine-b"));
    EXPECT_EQ(r.what, written::too_late);
    EXPECT_EQ(r.why, "submitted");
    EXPECT_EQ(apply(decide("g1", status::submitted, "engine-b"), true), written::done) << "its answer was lost";
    EXPECT_EQ(apply(decide("g1", status::submitted, "engine-a"), true), written::too_late);

    auto abort = decide("g1", status::aborting, "", {status::prepared, status::submitted});
    abort.reason = "no more";
    EXPECT_EQ(apply(abort), written::done);
    t = row("g1");
    EXPECT_EQ(t.owner, "");
    EXPECT_EQ(t.attempts, 0u);
    EXPECT_EQ(t.reason, "no more");
    EXPECT_EQ(t.custom_data, "new");
    EXPECT_THAT(store->claim("engine-a", patterns, 10, false).rows, SizeIs(1)) << "due at once";

    auto stop = decide("g1", status::failed, "engine-b", {status::aborting});
    stop.result = "stopped";
    EXPECT_EQ(apply(stop), written::done);
    t = row("g1");
    EXPECT_EQ(t.owner, "");
    EXPECT_EQ(t.reason, "no more");
    EXPECT_EQ(t.result, "stopped");
    EXPECT_EQ(t.rolled_back, store.clock().now());
    EXPECT_EQ(apply(stop, true), written::done);
    EXPECT_THAT(store->claim("engine-a", patterns, 10, true).rows, IsEmpty());
}

TEST_P(PatternStore, TakesNoRequestToCancelForThatIsADecision)
{
    apply(prepared("g1"));
    apply(saga("g2"));
    finish("g3");
    for (auto const& [gid, type] : {std::pair("g1", "tcc"), std::pair("g2", "saga"), std::pair("g3", "saga")})
    {
        auto const before = row(gid);
        auto const said = result_of(weft::request_write{gid, weft::request_write::kind::cancel});
        EXPECT_EQ(said.what, written::wrong_type);
        EXPECT_EQ(said.why, type);
        EXPECT_FALSE(row(gid).cancel_requested);
        EXPECT_EQ(row(gid).due, before.due);
    }
    EXPECT_EQ(apply(weft::request_write{"g1", weft::request_write::kind::resume}), written::done);
}

TEST_P(PatternStore, DecidesNothingForAnEngineThatIsNotListed)
{
    apply(prepared("g1"));
    EXPECT_EQ(apply(decide("g1", status::submitted, "nobody")), written::fenced);
    EXPECT_EQ(apply(decide("nothing", status::submitted, "nobody")), written::unknown_gid);
    EXPECT_EQ(apply(decide("nothing", status::submitted)), written::unknown_gid);
    EXPECT_EQ(row("g1").status, status::prepared);
    EXPECT_EQ(row("g1").owner, "engine-a");
}

TEST_P(PatternStore, LeavesWorkflowsAndOtherTypesAlone)
{
    weft::create_write c;
    c.gid = "mine";
    c.workflow = "place-order";
    c.input = R"({"id":"o1"})";
    apply(c);
    apply(prepared("g1"));
    for (auto const* gid : {"mine", "g1"})
    {
        SCOPED_TRACE(gid);
        std::string const why = gid == std::string("mine") ? "it is a workflow that runs here" : "it is of type 'tcc'";
        auto              d = decide(gid, status::aborting);
        d.trans_type = "xa";
        d.custom_data = "x";
        auto const decided = result_of(d);
        EXPECT_EQ(decided.what, written::wrong_type);
        EXPECT_EQ(decided.why, why);
        weft::register_write r;
        r.gid = gid;
        r.trans_type = "xa";
        r.ops = two_branches();
        auto const registered = result_of(r);
        EXPECT_EQ(registered.what, written::wrong_type);
        EXPECT_EQ(registered.why, why);
        EXPECT_EQ(row(gid).status, status::prepared);
        EXPECT_EQ(row(gid).position, 0);
        EXPECT_THAT(row(gid).ops, IsEmpty());
    }
    EXPECT_EQ(apply(decide("mine", status::failed)), written::wrong_type) << "of any type is not of none";
    EXPECT_EQ(row("mine").input, c.input);
    auto d = decide("g1", status::aborting);
    d.trans_type = "tcc";
    EXPECT_EQ(apply(d), written::done);
}

TEST_P(PatternStore, ReportsEachWriteOfABatchByItself)
{
    apply(prepared("g1"));
    apply(saga("g2"));
    std::vector<weft::write> batch{saga("g3"),
                                   weft::register_write{"g1", {op("01", "confirm")}},
                                   record("g2", 7, {{"01", "action", status::succeed}}),
                                   decide("g2", status::aborting, "engine-a"),
                                   record("g3", 0, {{"01", "action", status::succeed}}),
                                   decide("g1", status::submitted, "engine-a"),
                                   weft::register_write{"g1", {op("02", "confirm")}},
                                   record("g1", 2, {{"01", "confirm", status::succeed}}, status::succeed)};
    std::vector<written>     what;
    for (auto const& r : store->apply(batch, false))
        what.push_back(r.what);
    EXPECT_THAT(what, ElementsAre(written::done, written::done, written::fenced, written::too_late, written::done, written::done,
                                  written::too_late, written::done));
    EXPECT_EQ(row("g1").status, status::succeed);
    EXPECT_EQ(row("g1").ops.at(0).status, status::succeed);
    EXPECT_EQ(row("g3").ops.at(1).status, status::succeed);
    EXPECT_EQ(row("g3").position, 1);
}

// The hope that all of a batch will meet their rows is fulfilled here.
TEST_P(PatternStore, WritesLargeBatches)
{
    std::vector<weft::write> creations, outcomes, endings;
    for (int i = 0; i < 1'000; ++i)
    {
        auto const gid = "g" + std::to_string(i);
        creations.push_back(saga(gid));
        outcomes.push_back(record(gid, 0, {{"01", "action", status::succeed}, {"02", "action", status::succeed}}));
        endings.push_back(record(gid, 2, {}, status::succeed));
    }
    for (auto const& batch : {creations, outcomes, endings})
        for (auto const& r : store->apply(batch, false))
            ASSERT_EQ(r.what, written::done);
    for (auto const* gid : {"g0", "g500", "g999"})
    {
        EXPECT_THAT(names_of(gid), ElementsAre("01 compensate", "01 action", "02 compensate", "02 action"));
        EXPECT_EQ(row(gid).ops[3].status, status::succeed);
        EXPECT_EQ(row(gid).ops[2].status, status::prepared);
        EXPECT_EQ(row(gid).status, status::succeed);
    }
    for (auto const& r : store->apply(creations, false))
        ASSERT_EQ(r.what, written::exists);
}

TEST_P(PatternStore, WritesMoreThanOneStatementTakes)
{
    auto w = saga("g1");
    w.ops.clear();
    for (int i = 0; i < 24; ++i)
        w.ops.push_back(op("01", std::to_string(i), std::string(1 << 20, static_cast<char>(i))));
    EXPECT_EQ(apply(w), written::done);
    auto const ops = row("g1").ops;
    ASSERT_THAT(ops, SizeIs(24));
    for (std::size_t i = 0; i < ops.size(); ++i)
        EXPECT_TRUE(ops[i].data == w.ops[i].data) << i;
}

TEST_P(PatternStore, KeepsTheIntervalInWholeSeconds)
{
    apply(saga("g1"));
    auto p = weft::park_write{"g1", "engine-a", 0, 10ms, 1'001ms};
    EXPECT_EQ(apply(p), written::done);
    EXPECT_EQ(row("g1").interval, 2s);
    store.clock().advance(10ms);
    EXPECT_EQ(store->claim("engine-a", patterns, 1, false).rows.at(0).interval, 2s);
    p.interval = 10s;
    p.paused_reason = "a person must look";
    EXPECT_EQ(apply(p), written::done);
    EXPECT_EQ(row("g1").interval, 10s);
}

TEST_P(PatternStore, ListsByTypeAndByTimeOfCreation)
{
    apply(saga("g1"));
    store.clock().advance(1s);
    apply(prepared("g2"));
    auto const second = store.clock().now();
    store.clock().advance(1s);
    finish("g3");
    auto const gids = [&](weft::list_filter const& f) {
        std::vector<std::string> all;
        for (auto const& t : store->list(f))
            all.push_back(t.gid);
        return all;
    };
    EXPECT_THAT(gids({.trans_type = "tcc"}), ElementsAre("g2"));
    EXPECT_THAT(gids({.trans_type = "msg"}), IsEmpty());
    EXPECT_THAT(gids({.created_from = second}), ElementsAre("g2", "g3"));
    EXPECT_THAT(gids({.created_until = second}), ElementsAre("g1", "g2"));
    EXPECT_THAT(gids({.created_from = second, .created_until = second}), ElementsAre("g2"));
    EXPECT_THAT(gids({.created_from = second + 1ms, .created_until = second + 2ms}), IsEmpty());
    EXPECT_THAT(gids({.unfinished = true, .trans_type = "saga", .created_until = second}), ElementsAre("g1"));
    EXPECT_THAT(store->list({.trans_type = "saga"}).at(0).ops, IsEmpty());
}

TEST_P(PatternStore, ListsTheNewestFirstPageByPage)
{
    for (int i = 0; i < 5; ++i)
        i % 2 ? finish("g" + std::to_string(i)) : void(apply(saga("g" + std::to_string(i))));
    weft::list_filter f;
    f.limit = 2;
    f.before = 0;
    auto page = store->list(f);
    ASSERT_THAT(page, SizeIs(2));
    EXPECT_EQ(page[0].gid, "g4");
    EXPECT_EQ(page[1].gid, "g3");
    EXPECT_GT(page[0].id, page[1].id);
    f.before = page[1].id;
    page = store->list(f);
    ASSERT_THAT(page, SizeIs(2));
    EXPECT_EQ(page[0].gid, "g2");
    f.before = page[1].id;
    page = store->list(f);
    ASSERT_THAT(page, SizeIs(1));
    EXPECT_EQ(page[0].gid, "g0");
    f.before = page[0].id;
    EXPECT_THAT(store->list(f), IsEmpty());
    weft::list_filter open{.unfinished = true, .limit = 2, .before = 0};
    page = store->list(open);
    ASSERT_THAT(page, SizeIs(2));
    EXPECT_EQ(page[0].gid, "g4");
    EXPECT_EQ(page[1].gid, "g2");
    open.before = page[1].id;
    page = store->list(open);
    ASSERT_THAT(page, SizeIs(1));
    EXPECT_EQ(page[0].gid, "g0");
}

TEST_P(PatternStore, MakesDueWhatIsFarAway)
{
    for (int i = 1; i <= 4; ++i)
    {
        auto w = prepared("g" + std::to_string(i), "");
        w.due_in = std::chrono::seconds(i * 10);
        apply(w);
    }
    apply(saga("paused"));
    auto p = weft::park_write{"paused", "engine-a", 0, 0ms};
    p.paused_reason = "a person must look";
    apply(p);
    apply(saga("owned"));
    finish("over");
    auto made = store->make_due(20s, 1);
    EXPECT_EQ(made.count, 1u);
    EXPECT_TRUE(made.more);
    EXPECT_EQ(row("g3").due, store.clock().now()) << "the nearest first";
    made = store->make_due(20s, 10);
    EXPECT_EQ(made.count, 1u);
    EXPECT_FALSE(made.more);
    made = store->make_due(5s, 2);
    EXPECT_EQ(made.count, 2u);
    EXPECT_FALSE(made.more);
    EXPECT_EQ(store->make_due(0s, std::numeric_limits<std::size_t>::max()).count, 0u);
    EXPECT_THAT(store->claim("engine-a", patterns, 10, false).rows, SizeIs(4));
    EXPECT_EQ(row("paused").paused_reason, "a person must look");
}

TEST_P(PatternStore, PurgesWhatEndedLongAgoWithAllThatBelongsToIt)
{
    finish("g1");
    finish("g2", status::failed);
    weft::create_write c;
    c.gid = "workflow";
    c.workflow = "place-order";
    c.owner = "engine-a";
    apply(c);
    weft::extend_write e;
    e.gid = "workflow";
    e.owner = "engine-a";
    e.entries = R"({"id":"01"})";
    e.entry_count = 1;
    apply(e);
    e.position = 1;
    e.seal_part = 1;
    e.seal_entries = 1;
    e.decide = weft::extend_write::decision::roll_back;
    e.finish = true;
    EXPECT_EQ(apply(e), written::done);
    apply(saga("open"));
    store.clock().advance(1h);
    finish("new");
    EXPECT_EQ(store->purge(1h, 10), 0u) << "older than, not as old as";
    EXPECT_EQ(store->purge(24h * 365 * 100, 10), 0u) << "nothing is that old";
    store.clock().advance(1ms);
    EXPECT_EQ(store->purge(1h, 0), 0u);
    EXPECT_EQ(store->purge(1h, 2), 2u);
    EXPECT_EQ(store->purge(1h, 2), 1u);
    EXPECT_EQ(store->purge(1h, 2), 0u);
    EXPECT_FALSE(store->find("g1", false));
    EXPECT_FALSE(store->find("g2", false));
    EXPECT_FALSE(store->find("workflow", false));
    EXPECT_THAT(row("new").ops, SizeIs(4));
    EXPECT_THAT(row("open").ops, SizeIs(4));
    // Nothing is left that would be in the way, or would be taken for its own.
    EXPECT_EQ(apply(prepared("g1")), written::done);
    EXPECT_THAT(row("g1").ops, IsEmpty());
    EXPECT_EQ(apply(saga("workflow")), written::done);
    EXPECT_GT(row("workflow").id, row("new").id);
}

TEST_P(PatternStore, KeepsRowsByCategoryAndKey)
{
    EXPECT_TRUE(store->put_kv("topics", "orders", R"({"urls":["http://a:1/ü'\\"]})", 0));
    auto const created = store.clock().now();
    store.clock().advance(1s);
    EXPECT_FALSE(store->put_kv("topics", "orders", "again", 0)) << "it is there";
    EXPECT_FALSE(store->put_kv("topics", "orders", "other version", 2));
    EXPECT_FALSE(store->put_kv("topics", "nothing", "x", 1)) << "it is not there";
    auto rows = store->kv("topics", "orders", 0, 10);
    ASSERT_THAT(rows, SizeIs(1));
    EXPECT_EQ(rows[0].category, "topics");
    EXPECT_EQ(rows[0].key, "orders");
    EXPECT_EQ(rows[0].value, R"({"urls":["http://a:1/ü'\\"]})");
    EXPECT_EQ(rows[0].version, 1);
    EXPECT_EQ(rows[0].created, created);
    EXPECT_EQ(rows[0].updated, created);
    EXPECT_TRUE(store->put_kv("topics", "orders", "", 1));
    rows = store->kv("topics", "orders", 0, 10);
    ASSERT_THAT(rows, SizeIs(1));
    EXPECT_EQ(rows[0].value, "");
    EXPECT_EQ(rows[0].version, 2);
    EXPECT_EQ(rows[0].created, created);
    EXPECT_EQ(rows[0].updated, store.clock().now());
    EXPECT_FALSE(store->remove_kv("topics", "order"));
    EXPECT_TRUE(store->remove_kv("topics", "orders"));
    EXPECT_FALSE(store->remove_kv("topics", "orders"));
    EXPECT_THAT(store->kv("topics", "orders", 0, 10), IsEmpty());
}

TEST_P(PatternStore, ReturnsACategoryPageByPage)
{
    for (auto const* key : {"c", "a", "b", "a "})
        EXPECT_TRUE(store->put_kv("topics", key, key, 0));
    EXPECT_TRUE(store->put_kv("other", "a", "x", 0));
    auto page = store->kv("topics", "", 0, 3);
    ASSERT_THAT(page, SizeIs(3));
    EXPECT_EQ(page[0].key, "c");
    EXPECT_EQ(page[1].key, "a");
    EXPECT_EQ(page[2].key, "b");
    page = store->kv("topics", "", page[2].id, 3);
    ASSERT_THAT(page, SizeIs(1));
    EXPECT_EQ(page[0].key, "a ");
    EXPECT_EQ(store->kv("topics", "a", 0, 10).size(), 1u);
}

TEST_P(PatternStore, KeepsItsOwnRowsToItself)
{
    for (auto const* own : {"engine", "dead engine", "store", "schema", "nonce"})
    {
        EXPECT_THAT(store->kv(own, "", 0, 10), IsEmpty()) << own;
        EXPECT_FALSE(store->put_kv(own, "x", "y", 0)) << own;
        EXPECT_FALSE(store->remove_kv(own, "engine-a")) << own;
    }
    EXPECT_TRUE(store->beat("engine-a", patterns).alive);
}

}  // namespace patterns_test
