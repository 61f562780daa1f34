// What every store answers to a write that is repeated because its answer was lost (I5): `done` only where our own bytes stand, and not
// where somebody else's write has moved the row as far. One suite, run over each store.
#include "tests/conformance/stores.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace repeated_test {

using namespace std::chrono_literals;
using weft::status;
using weft::written;

std::vector<std::string> const names{"", "place-order"};

class RepeatedWrite : public ::testing::TestWithParam<std::string>
{
protected:
    RepeatedWrite() { store->register_engine("engine-a", names); }

    weft::write_result result_of(weft::write w, bool repeated) { return store->apply(std::span(&w, 1), repeated).front(); }
    written            first(weft::write w) { return result_of(std::move(w), false).what; }
    written            again(weft::write w) { return result_of(std::move(w), true).what; }

    static weft::branch_op op(std::string branch_id, std::string name, std::string data = "{}")
    {
        weft::branch_op o;
        o.branch_id = std::move(branch_id);
        o.op = std::move(name);
        o.url = "http://stock/" + o.op;
        o.data = std::move(data);
        return o;
    }
    static weft::create_write tcc(std::string gid, std::vector<weft::branch_op> ops = {op("01", "cancel"), op("01", "confirm")})
    {
        weft::create_write w;
        w.gid = std::move(gid);
        w.trans_type = "tcc";
        w.owner = "engine-a";
        w.ops = std::move(ops);
        w.options = R"({"wait_result":true})";
        return w;
    }
    static weft::create_write workflow(std::string gid)
    {
        weft::create_write w;
        w.gid = std::move(gid);
        w.workflow = "place-order";
        w.input = "1";
        w.owner = "engine-a";
        return w;
    }
    static weft::record_write record(std::string gid, std::int64_t position, std::vector<weft::record_write::entry> entries,
                                     std::optional<status> to = {}, std::string reason = {})
    {
        weft::record_write w;
        w.gid = std::move(gid);
        w.owner = "engine-a";
        w.position = position;
        w.entries = std::move(entries);
        w.to = to;
        w.reason = std::move(reason);
        return w;
    }
    static weft::park_write park(std::string gid, std::int64_t position, std::string paused = {}, std::string error = {})
    {
        weft::park_write w;
        w.gid = std::move(gid);
        w.owner = "engine-a";
        w.position = position;
        w.due_in = 5s;
        w.sends = 3;
        w.paused_reason = std::move(paused);
        w.last_error = std::move(error);
        return w;
    }
    static weft::decide_write abort(std::string gid, std::string reason)
    {
        weft::decide_write w;
        w.gid = std::move(gid);
        w.from = {status::prepared};
        w.to = status::aborting;
        w.reason = std::move(reason);
        return w;
    }

    weft::transaction row(std::string const& gid) { return store->find(gid, true).value(); }

    conformance::fresh_store store{GetParam()};
};

INSTANTIATE_TEST_SUITE_P(, RepeatedWrite, ::testing::ValuesIn(conformance::kinds()), [](auto const& each) { return each.param; });

TEST_P(RepeatedWrite, ARecordIsDoneWhereItsStatusAndEntriesStand)
{
    first(tcc("g1"));
    auto const decides = record("g1", 0, {}, status::aborting, "timeout");
    EXPECT_EQ(first(decides), written::done);
    EXPECT_EQ(again(decides), written::done);
    EXPECT_EQ(again(record("g1", 0, {}, status::aborting, "another reason")), written::fenced);
    auto const ends = record("g1", 1, {{"01", "cancel", status::succeed}}, status::failed);
    EXPECT_EQ(first(ends), written::done);
    EXPECT_EQ(again(ends), written::done);
    EXPECT_EQ(again(record("g1", 1, {{"01", "cancel", status::failed}}, status::failed)), written::fenced);
    EXPECT_EQ(again(record("g1", 1, {{"01", "cancel", status::succeed}}, status::succeed)), written::fenced);
    EXPECT_EQ(row("g1").position, 3);
}

TEST_P(RepeatedWrite, ARecordIsNotDoneBecauseARegistrationHasMovedThePosition)
{
    first(tcc("g1"));
    EXPECT_EQ(first(weft::register_write{"g1", {op("02", "cancel")}}), written::done);
    EXPECT_EQ(again(record("g1", 0, {}, status::aborting, "timeout")), written::fenced);
    EXPECT_EQ(again(record("g1", 0, {{"01", "confirm", status::succeed}})), written::fenced);
    EXPECT_EQ(row("g1").status, status::prepared);
    EXPECT_EQ(row("g1").position, 1);
}

TEST_P(RepeatedWrite, AParkIsNotDoneBecauseSomebodyElseReleasedTheRow)
{
    store->register_engine("engine-b", names);
    first(workflow("g1"));
    store->unregister_engine("engine-a");
    EXPECT_EQ(row("g1").owner, "");
    EXPECT_EQ(again(park("g1", 0, "a person must look")), written::fenced);
    EXPECT_EQ(again(park("g1", 0, {}, "the service is down")), written::fenced);
    EXPECT_EQ(row("g1").paused_reason, "");
}

TEST_P(RepeatedWrite, AParkIsDoneWhereItStands)
{
    first(workflow("g1"));
    first(workflow("g2"));
    EXPECT_EQ(first(park("g1", 0, "a person must look")), written::done);
    EXPECT_EQ(again(park("g1", 0, "a person must look")), written::done);
    EXPECT_EQ(again(park("g1", 0, "another reason")), written::fenced);
    EXPECT_EQ(first(park("g2", 0, {}, "the service is down")), written::done);
    EXPECT_EQ(again(park("g2", 0, {}, "the service is down")), written::done);
}

TEST_P(RepeatedWrite, ADecisionIsNotDoneBecauseSomebodyElseDecidedTheSame)
{
    first(tcc("g1"));
    EXPECT_EQ(first(abort("g1", "no stock")), written::done);
    EXPECT_EQ(again(abort("g1", "no stock")), written::done);
    auto const other = result_of(abort("g1", "no money"), true);
    EXPECT_EQ(other.what, written::too_late);
    EXPECT_EQ(other.why, "aborting");
    auto options = abort("g1", "no stock");
    options.options = R"({"retry_interval":7})";
    EXPECT_EQ(again(options), written::too_late);
    EXPECT_EQ(row("g1").position, 1);
}

TEST_P(RepeatedWrite, ARegistrationIsDoneAlthoughTheTransactionHasGoneOn)
{
    first(tcc("g1"));
    weft::register_write const w{"g1", {op("02", "cancel"), op("02", "confirm")}};
    EXPECT_EQ(first(w), written::done);
    EXPECT_EQ(first(abort("g1", "no stock")), written::done);
    EXPECT_EQ(again(w), written::done) << "it is there, and will be undone";
    EXPECT_EQ(again(weft::register_write{"g1", {op("03", "cancel")}}), written::too_late);
    EXPECT_EQ(again(weft::register_write{"g1", {op("02", "cancel", "other")}}), written::too_late);
    EXPECT_EQ(first(w), written::too_late);
}

TEST_P(RepeatedWrite, ARequestToCancelIsDoneAlthoughItWasActedOn)
{
    weft::request_write const cancel{"g1", weft::request_write::kind::cancel};
    first(workflow("g1"));
    EXPECT_EQ(first(cancel), written::done);
    weft::extend_write undo;
    undo.gid = "g1";
    undo.owner = "engine-a";
    undo.decide = weft::extend_write::decision::roll_back;
    undo.text = "cancelled";
    EXPECT_EQ(first(undo), written::done);
    EXPECT_EQ(again(cancel), written::done);
    EXPECT_EQ(first(cancel), written::too_late);
    first(workflow("g2"));
    undo.gid = "g2";
    EXPECT_EQ(first(undo), written::done);
    EXPECT_EQ(again({weft::request_write{"g2", weft::request_write::kind::cancel}}), written::too_late) << "nobody asked";
}

TEST_P(RepeatedWrite, AnExtensionIsDoneOnlyWithItsDecision)
{
    first(workflow("g1"));
    weft::extend_write w;
    w.gid = "g1";
    w.owner = "engine-a";
    w.decide = weft::extend_write::decision::commit;
    w.text = "1";
    EXPECT_EQ(first(w), written::done);
    EXPECT_EQ(again(w), written::done);
    auto other = w;
    other.text = "2";
    EXPECT_EQ(again(other), written::fenced);
    other = w;
    other.decide = weft::extend_write::decision::roll_back;
    EXPECT_EQ(again(other), written::fenced);
    other = w;
    other.decide = weft::extend_write::decision::none;
    other.finish = other.commits = true;
    EXPECT_EQ(again(other), written::fenced);
}

// "Fenced" would say that nothing was written.
TEST_P(RepeatedWrite, IsNotDeniedThoughItsEngineHasDiedMeanwhile)
{
    EXPECT_EQ(first(workflow("g1")), written::done);
    EXPECT_EQ(first(tcc("g2")), written::done);
    auto submit = abort("g2", {});
    submit.to = status::submitted;
    submit.owner = "engine-a";
    EXPECT_EQ(first(submit), written::done);
    store->unregister_engine("engine-a");
    EXPECT_EQ(again(workflow("g1")), written::exists);
    EXPECT_EQ(again(workflow("g3")), written::fenced);
    auto const told = result_of(submit, true);
    EXPECT_EQ(told.what, written::too_late);
    EXPECT_EQ(told.why, "submitted");
}

TEST_P(RepeatedWrite, ACreationIsDoneOnlyWhereAllOfItStands)
{
    EXPECT_EQ(first(tcc("g1")), written::done);
    EXPECT_EQ(again(tcc("g1")), written::done);
    EXPECT_EQ(again(tcc("g1", {op("01", "cancel"), op("01", "confirm", "other")})), written::exists);
    auto options = tcc("g1");
    options.options = "{}";
    EXPECT_EQ(again(options), written::exists);
}

}  // namespace repeated_test
