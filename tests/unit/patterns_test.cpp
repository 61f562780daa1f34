// dtm's patterns: what is called, in which order, and what stands in the store then.
#include "tests/unit/neighbour.hpp"
#include "tests/unit/patterns.hpp"

namespace patterns_test {

using namespace weft::literals;
// --- saga -----------------------------------------------------------------------------------------------------------------------------

TEST_F(Patterns, SagaCallsItsActionsOneAfterTheOther)
{
    submit(saga("g1"));
    env.finish();
    EXPECT_THAT(at.seen(), ElementsAre("01 action a", "02 action b"));
    EXPECT_EQ(row("g1").status, status::succeed);
    EXPECT_EQ(statuses("g1"), "prepared succeed prepared succeed");
    auto const& o = at.calls[1].operation;
    EXPECT_EQ(o.trans_type, "saga");
    EXPECT_EQ(o.payload, "{\"step\":1}");
    EXPECT_EQ(o.protocol, "http");
    EXPECT_EQ(o.timeout, 3s);
}

TEST_F(Patterns, SagaUndoesWhatMayHaveHappenedTheOtherWayRound)
{
    at.answers["action b"] = {outcome::failure("out of stock")};
    auto const t = submit(saga("g1", 3), weft::returns::when_tried);
    EXPECT_EQ(t.status, status::failed);
    EXPECT_EQ(t.reason, "url:b return failed: out of stock");
    EXPECT_THAT(at.seen(), ElementsAre("01 action a", "02 action b", "02 compensate b", "01 compensate a"));
    EXPECT_EQ(statuses("g1"), "succeed succeed succeed failed prepared prepared");
    EXPECT_EQ(row("g1").reason, t.reason);
}

TEST_F(Patterns, SagaAsksAgainWithBackOff)
{
    at.answers["action a"] = {outcome::error("500"), outcome::error("500"), outcome::error("500"), outcome::success()};
    submit(saga("g1", 1));
    env.finish();
    std::vector<std::chrono::milliseconds> times;
    for (auto const& c : at.calls)
        times.push_back(c.at);
    EXPECT_THAT(times, ElementsAre(0ms, 20'000ms, 60'000ms, 140'000ms));
    EXPECT_THAT(alerts, ElementsAre("g1 a 1", "g1 a 2", "g1 a 3"));
}

TEST_F(Patterns, SagaAsksForWhatIsOngoingAtTheSameInterval)
{
    at.answers["action a"] = {outcome::ongoing("425"), outcome::ongoing("425"), outcome::success()};
    submit(saga("g1", 1, "{\"retry_interval\":7}"));
    env.finish();
    EXPECT_EQ(at.calls[1].at, 7s);
    EXPECT_EQ(at.calls[2].at, 14s);
    EXPECT_THAT(alerts, IsEmpty());
}

TEST_F(Patterns, ACompensationThatSaysNoIsAskedAgain)
{
    at.answers["action b"] = {outcome::failure("no")};
    at.answers["compensate a"] = {outcome::failure("no"), outcome::success()};
    submit(saga("g1"));
    env.finish();
    EXPECT_EQ(row("g1").status, status::failed);
    EXPECT_EQ(at.calls.size(), 5u);
}

TEST_F(Patterns, SagaWithoutAddressesSucceedsByItself)
{
    auto t = saga("g1");
    for (auto& s : t.steps)
        s.action = s.compensate = "";
    EXPECT_EQ(submit(t, weft::returns::when_tried).status, status::succeed);
    EXPECT_THAT(at.calls, IsEmpty());
    EXPECT_EQ(env.writes(), 2u) << "its creation, and all the rest";
}

TEST_F(Patterns, ConcurrentSagaHasItsActionsUnderWayTogether)
{
    at.hold = true;
    submit(saga("g1", 3, {}, "{\"concurrent\":true}"));
    env.settle();
    EXPECT_EQ(at.calls.size(), 3u);
    std::move(*at.calls[1].held).answer(outcome::failure("no"));
    env.settle();
    EXPECT_EQ(row("g1").status, status::aborting);
    EXPECT_THAT(at.seen(), ElementsAre("01 action a", "02 action b", "03 action c", "02 compensate b"))
        << "the others are not undone while they are under way";
    at.hold = false;
    std::move(*at.calls[0].held).answer(outcome::success());
    std::move(*at.calls[2].held).answer(outcome::error("lost"));
    std::move(*at.calls[3].held).answer(outcome::success());
    env.finish();
    EXPECT_EQ(row("g1").status, status::failed);
    EXPECT_THAT(at.seen(), ::testing::UnorderedElementsAre("01 action a", "02 action b", "03 action c", "02 compensate b",
                                                           "01 compensate a", "03 compensate c"));
}

TEST_F(Patterns, ConcurrentSagaKeepsItsOrders)
{
    submit(saga("g1", 3, {}, R"({"concurrent":true,"orders":{"0":[2],"1":[0,2]}})"));
    env.finish();
    EXPECT_THAT(at.seen(), ElementsAre("03 action c", "01 action a", "02 action b"));
    at.calls.clear();
    at.answers["action b"] = {outcome::failure("no")};
    submit(saga("g2", 3, {}, R"({"concurrent":true,"orders":{"0":[2],"1":[0,2]}})"));
    env.finish();
    EXPECT_THAT(at.seen(),
                ElementsAre("03 action c", "01 action a", "02 action b", "02 compensate b", "01 compensate a", "03 compensate c"));
    at.calls.clear();
    at.answers["action c"] = {outcome::failure("no")};
    submit(saga("g3", 3, {}, R"({"concurrent":true,"orders":{"0":[2],"1":[0,2]}})"));
    env.finish();
    EXPECT_THAT(at.seen(), ElementsAre("03 action c", "03 compensate c")) << "what never could begin is not undone";
}

TEST_F(Patterns, SagaGivesUpWhenItsTimeIsOver)
{
    at.answers["action b"] = {outcome::ongoing("425")};
    submit(saga("g1", 2, "{\"timeout_to_fail\":15}"));
    env.finish();
    EXPECT_EQ(row("g1").status, status::failed);
    EXPECT_EQ(row("g1").reason, "Timeout after 15 seconds");
    EXPECT_THAT(at.seen(), ElementsAre("01 action a", "02 action b", "02 action b", "02 compensate b", "01 compensate a"));
    EXPECT_EQ(at.calls.back().at, 15s);
}

// Nothing is called that nobody has submitted, not to undo it either.
TEST_F(Patterns, SagaThatIsOnlyPreparedCallsNobody)
{
    auto t = saga("g1", 2, "{\"timeout_to_fail\":15}");
    prepare(t);
    prepare(saga("g2"));
    env.advance(25h);
    EXPECT_THAT(at.seen(), IsEmpty());
    EXPECT_EQ(row("g1").status, status::prepared);
    EXPECT_EQ(env.cancel("g2"_gid), weft::cancel_answer::accepted);
    env.advance(1min);
    EXPECT_EQ(row("g2").status, status::failed);
    EXPECT_EQ(row("g2").reason, "cancelled");
    EXPECT_THAT(at.seen(), IsEmpty());
    submit(saga("g1", 2, "{\"timeout_to_fail\":864000}"));
    env.finish();
    EXPECT_EQ(row("g1").status, status::succeed);
    EXPECT_THAT(at.seen(), ElementsAre("01 action a", "02 action b"));
}

TEST_F(Patterns, SagaGivesUpAfterItsRetryLimit)
{
    at.answers["action a"] = {outcome::error("500")};
    submit(saga("g1", 2, "{\"retry_limit\":1}"));
    env.finish();
    EXPECT_EQ(row("g1").reason, "RetryCount is greater than RetryLimit, RetryLimit: 1");
    EXPECT_THAT(at.seen(), ElementsAre("01 action a", "01 action a", "01 compensate a"));
}

// At once for a few times; then with back-off, and the count goes on, whoever goes on with it.
TEST_F(Patterns, ALargeRetryLimitIsNoBusyLoop)
{
    at.answers["action a"] = {outcome::error("500")};
    submit(saga("g1", 1, "{\"retry_limit\":1000000000}"));
    env.advance(15s);
    EXPECT_EQ(at.calls.size(), 11u);
    env.advance(1h);
    EXPECT_LT(at.calls.size(), 25u);
    force_stop("g1");
    at.calls.clear();
    submit(saga("g2", 1, "{\"retry_limit\":12}"));
    env.advance(25s);
    EXPECT_EQ(at.calls.size(), 12u);
    env.crash();
    env.finish();
    EXPECT_EQ(row("g2").reason, "RetryCount is greater than RetryLimit, RetryLimit: 12");
    EXPECT_EQ(at.calls.size(), 13u + 1u) << "and the compensation";
}

TEST_F(Patterns, WhatNobodyCanHaveMeantIsTakenForADay)
{
    at.answers["action a"] = {outcome::ongoing("425"), outcome::success()};
    submit(saga("g1", 1, R"({"retry_interval":1000000000,"request_timeout":1000000000})"));
    env.finish();
    EXPECT_EQ(at.calls[0].operation.timeout, 24h);
    EXPECT_EQ(at.calls[1].at, 24h);
}

// They are counted, and not told from an interval that has a limit.
TEST_F(Patterns, FailuresInARowAreCounted)
{
    at.answers["action a"] = std::deque<outcome>(9, outcome::error("500"));
    at.answers["action a"].push_back(outcome::success());
    submit(saga("g1", 1, "{\"retry_interval\":160}"));
    for (int i = 0; i < 4; ++i)
    {
        env.advance(25min);
        env.crash();
    }
    env.finish();
    EXPECT_THAT(alerts, ElementsAre("g1 a 1", "g1 a 2", "g1 a 3", "g1 a 4", "g1 a 5", "g1 a 6", "g1 a 7", "g1 a 8", "g1 a 9"));
    at.answers["action b"] = {outcome::error("500"), outcome::success()};
    alerts.clear();
    submit(saga("g2"));
    env.finish();
    EXPECT_THAT(alerts, ElementsAre("g2 b 1"));
}

TEST_F(Patterns, HeadersAndTimeOutsOfAClientGoWithEachCall)
{
    submit(saga("g1", 1, R"({"branch_headers":{"x-tenant":"blue"},"request_timeout":6,"concurrent":false})"));
    env.finish();
    EXPECT_THAT(at.calls[0].headers, ElementsAre(::testing::Pair("x-tenant", "blue")));
    EXPECT_EQ(at.calls[0].operation.timeout, 6s);
}

// What decides where a request goes and where it ends is no client's to say.
TEST_F(Patterns, HeadersOfAClientAreFewShortAndNoneOfTheConnections)
{
    auto const refused = [&](std::string const& headers) {
        return refusal([&] { submit(saga("g1", 1, R"({"branch_headers":)" + headers + '}')); }, weft::misuse::code::bad_value);
    };
    auto const many = [](std::size_t n, std::size_t length) {
        std::string all;
        for (std::size_t i = 0; i < n; ++i)
            all += (i == 0 ? "{\"h" : ",\"h") + std::to_string(i) + "\":\"" + std::string(length, 'v') + '"';
        return all + '}';
    };
    for (std::string const name : {"Host", "hOST", "upgrade", "te", "trailer", "keep-alive", "transfer-encoding", "content-length",
                                   "connection", "expect", "proxy-authorization", "Proxy-", "a b", "a:"})
        EXPECT_THAT(refused("{\"" + name + "\":\"x\"}"), ::testing::StartsWith("branch_headers." + name)) << name;
    EXPECT_THAT(refused(R"({"a":"b\r\nHost: c"})"), HasSubstr("branch_headers.a has a line break"));
    EXPECT_THAT(refused(many(65, 1)), HasSubstr("branch_headers has 65 headers"));
    EXPECT_THAT(refused(many(2, 9'000)), HasSubstr("branch_headers is longer than 16384 bytes"));
    EXPECT_EQ(refused(many(64, 200)), "none");
}

// Of an older server's, which let them pass: what was begun is finished, without them.
// Of an older server's, which asked no such question: it would cost every server that claims it its time.
TEST_F(Patterns, ARowWithTooManyHeadersWaitsForAPerson)
{
    weft::create_write w;
    w.gid = "g1";
    w.trans_type = "saga";
    w.status = status::submitted;
    w.options = "{\"branch_headers\":{";
    for (int i = 0; i < 100'000; ++i)
        w.options += (i == 0 ? "\"h" : ",\"h") + std::to_string(i) + "\":\"v\"";
    w.options += "}}";
    std::vector<weft::write> const writes{w};
    env.store().apply(writes, false);
    auto const began = std::chrono::steady_clock::now();
    env.run_until([&] { return !row("g1").paused_reason.empty(); });
    EXPECT_LT(std::chrono::steady_clock::now() - began, 10s);
    EXPECT_THAT(row("g1").paused_reason, HasSubstr("branch_headers has 100000 headers"));
}

TEST_F(Patterns, ReasonsAreCutWithinNoCharacter)
{
    std::string reason;
    while (reason.size() < (1u << 20))
        reason += "缺";
    at.answers["action a"] = {outcome::failure(reason)};
    submit(saga("g1", 1));
    env.finish();
    EXPECT_LE(row("g1").reason.size(), 1'024u);
    EXPECT_TRUE(weft::detail::is_utf8(row("g1").reason));
}

// --- who may submit what ------------------------------------------------------------------------------------------------------------

TEST_F(Patterns, SubmittingAgainChangesNothingWhileItRunsAndIsRefusedAfterwards)
{
    at.hold = true;
    submit(saga("g1"));
    env.settle();
    EXPECT_EQ(submit(saga("g1")).status, status::submitted);
    env.settle();
    EXPECT_EQ(at.calls.size(), 1u);
    at.hold = false;
    std::move(*at.calls[0].held).answer(outcome::success());
    env.finish();
    EXPECT_EQ(at.calls.size(), 2u);
    EXPECT_THAT(refusal([&] { submit(saga("g1")); }, weft::misuse::code::wrong_status),
                HasSubstr("current status 'succeed', cannot submit"));
    EXPECT_THAT(refusal([&] { prepare(saga("g1")); }, weft::misuse::code::wrong_status),
                HasSubstr("current status 'succeed', cannot prepare"));
}

weft::workflow<int> waits(weft::context& wf)
{
    co_return co_await wf.step(
        "wait", +[] { return 1; });
}

// A gid is one transaction's, whoever made it.
TEST_F(Patterns, ATransactionOfAnotherTypeIsLeftAlone)
{
    auto const flow = env.add("waits", &waits);
    env.on("wait").hangs();
    flow.submit("mine"_gid);
    env.settle();
    prepare(of_type("tcc", "g1"));
    using code = weft::misuse::code;
    for (auto const* gid : {"mine", "g1"})
    {
        SCOPED_TRACE(gid);
        std::string const is = gid == std::string("mine") ? "it is a workflow that runs here" : "it is of type 'tcc'";
        EXPECT_THAT(refusal([&] { submit(saga(gid)); }, code::wrong_status), HasSubstr(is));
        EXPECT_THAT(refusal([&] { prepare(saga(gid)); }, code::wrong_status), HasSubstr(is));
        EXPECT_THAT(refusal([&] { abort(gid, "msg"); }, code::wrong_status), HasSubstr(is));
    }
    EXPECT_NE(refusal([&] { force_stop("mine"); }, code::wrong_status), "none");
    EXPECT_NE(refusal([&] { register_branch("mine", registered("01", "cancel", "confirm", "a")); }, code::wrong_status), "none");
    EXPECT_EQ(row("mine").status, status::prepared);
    EXPECT_EQ(row("mine").position, 0);
    EXPECT_EQ(row("g1").position, 0);
}

TEST_F(Patterns, RefusesWhatCannotBeMeant)
{
    using code = weft::misuse::code;
    EXPECT_NE(refusal([&] { submit(saga("")); }, code::bad_gid), "none");
    EXPECT_NE(refusal([&] { submit(saga(std::string(129, 'x'))); }, code::bad_gid), "none");
    EXPECT_THAT(refusal([&] { submit(of_type("sage", "g1")); }, code::bad_value), HasSubstr("\"sage\""));
    EXPECT_THAT(refusal([&] { submit(saga("g1", 1, "{")); }, code::bad_value), HasSubstr("options"));
    EXPECT_THAT(refusal([&] { submit(saga("g1", 1, "{\"retry_interval\":-1}")); }, code::bad_value), HasSubstr("retry_interval"));
    EXPECT_THAT(refusal([&] { submit(saga("g1", 1, {}, "[1]")); }, code::bad_value), HasSubstr("custom_data"));
    EXPECT_THAT(refusal([&] { submit(saga("g1", 1, {}, "{\"concurrent\":true,\"orders\":{\"x\":1}}")); }, code::bad_value),
                HasSubstr("orders"));
    auto too_many = saga("g1");
    too_many.steps.resize(100);
    EXPECT_THAT(refusal([&] { submit(too_many); }, code::bad_value), HasSubstr("99"));
    EXPECT_NE(refusal([&] { abort("nobody", "tcc"); }, code::unknown_gid), "none");
    EXPECT_NE(refusal([&] { force_stop("nobody"); }, code::unknown_gid), "none");
    EXPECT_NE(refusal([&] { register_branch("nobody", registered("01", "cancel", "confirm", "x")); }, code::wrong_status), "none");
}

// Nobody could ever begin them.
TEST_F(Patterns, RefusesOrdersThatGoInACircle)
{
    auto const of = [&](unsigned steps, std::string custom_data) {
        return refusal([&] { submit(saga("g1", steps, {}, std::move(custom_data))); }, weft::misuse::code::bad_value);
    };
    std::string const circle = "could never begin: they go in a circle";
    EXPECT_EQ(of(2, R"({"concurrent":true,"orders":{"0":[1],"1":[0]}})"), "custom_data.orders: step 0 " + circle);
    EXPECT_EQ(of(3, R"({"concurrent":true,"orders":{"1":[1]}})"), "custom_data.orders: step 1 " + circle);
    EXPECT_EQ(of(3, R"({"concurrent":true,"orders":{"1":[2],"2":[1]}})"), "custom_data.orders: step 1 " + circle);
    EXPECT_EQ(of(2, R"({"orders":{"0":[1]}})"), "custom_data.orders: step 0 " + circle) << "one after the other, besides";
    EXPECT_FALSE(env.query("g1"_gid));
    submit(saga("g2", 2, {}, R"({"concurrent":true,"orders":{"0":[1,7],"9999":[0],"1":[200]}})"));
    env.finish();
    EXPECT_THAT(at.seen(), ElementsAre("02 action b", "01 action a")) << "nobody waits for steps that there are not";
}

// What could never be called is not taken, and the key is named.
TEST_F(Patterns, RefusesWhatItsCallerCouldNeverCall)
{
    using code = weft::misuse::code;
    at.refused = {"b"};
    auto t = saga("g1");
    EXPECT_EQ(refusal([&] { submit(t); }, code::bad_value), "steps[1].action: nobody calls b");
    t.steps[1].action = "c";
    EXPECT_EQ(refusal([&] { prepare(t); }, code::bad_value), "steps[1].compensate: nobody calls b");
    auto m = of_type("msg", "g1");
    m.query_prepared = "b";
    EXPECT_EQ(refusal([&] { prepare(m); }, code::bad_value), "query_prepared: nobody calls b");
    prepare(of_type("tcc", "g2"));
    EXPECT_EQ(refusal([&] { register_branch("g2", registered("01", "cancel", "confirm", "b")); }, code::bad_value),
              "cancel: nobody calls b");
    prepare(of_type("xa", "g3"));
    EXPECT_EQ(refusal([&] { register_branch("g3", registered("01", "rollback", "commit", "b")); }, code::bad_value), "url: nobody calls b");
    EXPECT_THAT(row("g2").ops, IsEmpty());
}

// --- tcc and xa -----------------------------------------------------------------------------------------------------------------------

TEST_F(Patterns, TccConfirmsTheLastBranchFirst)
{
    prepare(of_type("tcc", "g1"));
    prepare(of_type("tcc", "g1"));
    register_branch("g1", registered("01", "cancel", "confirm", "a", "one"));
    register_branch("g1", registered("02", "cancel", "confirm", "b", "two"));
    register_branch("g1", registered("02", "cancel", "confirm", "b", "two"));
    EXPECT_EQ(submit(of_type("tcc", "g1"), weft::returns::when_tried).status, status::succeed);
    EXPECT_THAT(at.seen(), ElementsAre("02 confirm b", "01 confirm a"));
    EXPECT_EQ(at.calls[0].operation.payload, "two");
    EXPECT_EQ(statuses("g1"), "prepared succeed prepared succeed");
}

TEST_F(Patterns, TccCancelsWhenItIsAborted)
{
    prepare(of_type("tcc", "g1"));
    register_branch("g1", registered("01", "cancel", "confirm", "a"));
    register_branch("g1", registered("02", "cancel", "confirm", "b"));
    abort("g1", "tcc", "no money");
    abort("g1", "tcc", "again");
    env.finish();
    EXPECT_THAT(at.seen(), ElementsAre("02 cancel b", "01 cancel a"));
    EXPECT_EQ(row("g1").status, status::failed);
    EXPECT_EQ(row("g1").reason, "no money");
    EXPECT_THAT(refusal([&] { submit(of_type("tcc", "g1")); }, weft::misuse::code::wrong_status), HasSubstr("failed"));
    EXPECT_THAT(refusal([&] { register_branch("g1", registered("03", "cancel", "confirm", "c")); }, weft::misuse::code::wrong_status),
                HasSubstr("no trans with gid: g1 status: prepared found"));
}

TEST_F(Patterns, TccThatIsSubmittedIsAbortedNoMore)
{
    prepare(of_type("tcc", "g1"));
    register_branch("g1", registered("01", "cancel", "confirm", "a"));
    at.hold = true;
    submit(of_type("tcc", "g1"));
    env.settle();
    ASSERT_THAT(at.seen(), ElementsAre("01 confirm a"));
    EXPECT_EQ(refusal([&] { abort("g1", "tcc"); }, weft::misuse::code::wrong_status), "current status 'submitted', cannot abort");
    EXPECT_EQ(row("g1").status, status::submitted);
    env.settle();
    EXPECT_THAT(at.seen(), ElementsAre("01 confirm a"));
}

// It has no branches: whoever submits it has lost something.
TEST_F(Patterns, TccThatNobodyPreparedIsNotSubmitted)
{
    for (auto const* type : {"tcc", "xa"})
    {
        EXPECT_EQ(refusal([&] { submit(of_type(type, "g1"), weft::returns::when_tried); }, weft::misuse::code::unknown_gid),
                  "no transaction with gid: g1 found");
        EXPECT_FALSE(env.query("g1"_gid));
    }
}

TEST_F(Patterns, TccThatNobodySubmitsIsCancelled)
{
    prepare(of_type("tcc", "g1"));
    register_branch("g1", registered("01", "cancel", "confirm", "a"));
    env.advance(34s);
    EXPECT_THAT(at.calls, IsEmpty());
    env.advance(2s);
    EXPECT_THAT(at.seen(), ElementsAre("01 cancel a"));
    EXPECT_EQ(row("g1").reason, "Timeout after 35 seconds");
}

TEST_F(Patterns, XaEndsItsBranchesInTheOrderOfTheirRegistration)
{
    prepare(of_type("xa", "g1"));
    register_branch("g1", registered("01", "rollback", "commit", "a"));
    register_branch("g1", registered("02", "rollback", "commit", "b"));
    submit(of_type("xa", "g1"));
    env.finish();
    EXPECT_THAT(at.seen(), ElementsAre("01 commit a", "02 commit b"));
    prepare(of_type("xa", "g2"));
    register_branch("g2", registered("01", "rollback", "commit", "a"));
    abort("g2", "xa");
    env.finish();
    EXPECT_EQ(at.seen().back(), "01 rollback a");
    EXPECT_NE(refusal([&] { abort("g2", "tcc"); }, weft::misuse::code::wrong_status), "none");
    EXPECT_NE(refusal([&] { abort("g2", "saga"); }, weft::misuse::code::wrong_status), "none");
}

// A branch that comes while the time-out is being acted on: whichever is first counts.
TEST_F(Patterns, ABranchThatRegistersFencesWhoThinksItIsComplete)
{
    prepare(of_type("tcc", "g1"));
    register_branch("g1", registered("01", "cancel", "confirm", "a"));
    at.hold = true;
    submit(of_type("tcc", "g1"));
    env.settle();
    EXPECT_EQ(at.calls.size(), 1u);
    EXPECT_NE(refusal([&] { register_branch("g1", registered("02", "cancel", "confirm", "b")); }, weft::misuse::code::wrong_status),
              "none");
    force_stop("g1");
    std::move(*at.calls[0].held).answer(outcome::success());
    env.settle();
    EXPECT_EQ(row("g1").status, status::failed);
    EXPECT_EQ(row("g1").reason, "stopped by force");
    EXPECT_EQ(statuses("g1"), "prepared prepared") << "a late answer changes nothing";
    EXPECT_THAT(refusal([&] { force_stop("g1"); }, weft::misuse::code::wrong_status), HasSubstr("failed"));
}

TEST_F(Patterns, WhoWaitsForWhatIsStoppedByForceIsToldSo)
{
    at.hold = true;
    answer<weft::transaction> a;
    manager().submit(saga("g1"), weft::returns::when_tried, a.slot());
    env.settle();
    ASSERT_THAT(at.seen(), ElementsAre("01 action a"));
    force_stop("g1");
    ASSERT_TRUE(a.there);
    EXPECT_EQ(a.value.status, status::failed);
    EXPECT_EQ(a.value.reason, "stopped by force");
}

// --- msg ------------------------------------------------------------------------------------------------------------------------------

weft::global_transaction message(std::string gid, std::string options = {}, std::string custom_data = {})
{
    auto t = saga(std::move(gid), 2, std::move(options), std::move(custom_data));
    t.trans_type = "msg";
    t.query_prepared = "asked";
    return t;
}

TEST_F(Patterns, MessageIsDeliveredOnceItIsSubmitted)
{
    prepare(message("g1"));
    env.advance(20s);
    EXPECT_THAT(at.calls, IsEmpty());
    submit(message("g1"));
    env.finish();
    EXPECT_THAT(at.seen(), ElementsAre("01 action a", "02 action b"));
    EXPECT_EQ(statuses("g1"), "succeed succeed");
}

TEST_F(Patterns, MessageWithoutPreparationIsDeliveredToo)
{
    at.answers["action a"] = {outcome::failure("no"), outcome::success()};
    submit(message("g1"));
    env.finish();
    EXPECT_THAT(at.seen(), ElementsAre("01 action a", "01 action a", "02 action b")) << "a message cannot be refused";
}

TEST_F(Patterns, ConcurrentMessageIsDeliveredToAllAtOnce)
{
    at.hold = true;
    submit(message("g1", "{\"concurrent\":true}"));
    env.settle();
    EXPECT_EQ(at.calls.size(), 2u);
    for (auto& c : at.calls)
        std::move(*c.held).answer(outcome::success());
    env.finish();
    EXPECT_EQ(row("g1").status, status::succeed);
}

TEST_F(Patterns, MessageThatNobodySubmitsIsAskedFor)
{
    for (auto const* gid : {"meant", "not", "later"})
        prepare(message(gid));
    at.answers["msg asked"] = {outcome::success(), outcome::failure("rolled back"), outcome::ongoing("425"), outcome::error("500"),
                               outcome::success()};
    env.advance(34s);
    EXPECT_THAT(at.calls, IsEmpty());
    env.finish();
    std::multiset<status> ends;
    for (auto const* gid : {"meant", "not", "later"})
        ends.insert(row(gid).status);
    EXPECT_EQ(ends.count(status::succeed), 2u);
    EXPECT_EQ(ends.count(status::failed), 1u);
    EXPECT_EQ(at.calls[0].what, "00 msg asked");
    EXPECT_EQ(at.calls[0].operation.payload, "");
}

// It was asked before: its own request counts, and not what it says about the time before that.
TEST_F(Patterns, WhatASenderAnswersAfterItHasSubmittedCountsNoMore)
{
    prepare(message("g1"));
    at.hold = true;
    env.advance(36s);
    ASSERT_THAT(at.seen(), ElementsAre("00 msg asked"));
    at.hold = false;
    submit(message("g1"));
    std::move(*at.calls[0].held).answer(outcome::failure("not committed yet"));
    env.finish();
    EXPECT_EQ(row("g1").status, status::succeed);
    EXPECT_THAT(at.seen(), ElementsAre("00 msg asked", "01 action a", "02 action b"));
}

// dtm takes silence for a yes. Nobody knows, so a person decides.
TEST_F(Patterns, MessageWithNobodyToAskWaitsForAPerson)
{
    auto t = message("g1");
    t.query_prepared = "";
    prepare(t);
    env.finish();
    EXPECT_EQ(row("g1").status, status::prepared);
    EXPECT_THAT(row("g1").paused_reason, HasSubstr("query_prepared"));
    submit(t);
    env.finish();
    EXPECT_EQ(row("g1").status, status::succeed);
}

TEST_F(Patterns, ASenderWhoCannotBeAskedIsCounted)
{
    prepare(message("g1"));
    at.answers["msg asked"] = {outcome::error("502"), outcome::error("502"), outcome::ongoing("425"), outcome::error("502"),
                               outcome::success()};
    env.finish();
    EXPECT_EQ(row("g1").status, status::succeed);
    EXPECT_THAT(alerts, ElementsAre("g1 asked 1", "g1 asked 2", "g1 asked 1"));
}

TEST_F(Patterns, MessageWaitsForItsDelay)
{
    prepare(message("g1"));
    submit(message("g1", {}, "{\"delay\":10}"));
    env.advance(9s);
    EXPECT_THAT(at.calls, IsEmpty());
    env.advance(2s);
    EXPECT_EQ(at.calls.size(), 2u);
    submit(message("g2", {}, "{\"Delay\":10}"));
    env.crash();
    env.advance(9s);
    EXPECT_EQ(at.calls.size(), 2u) << "nobody sends early, after a crash neither";
    env.finish();
    EXPECT_EQ(at.calls.size(), 4u);
}

TEST_F(Patterns, MessageIsAbortedAtOnce)
{
    prepare(message("g1"));
    EXPECT_EQ(abort("g1", "msg", "changed my mind").status, status::failed);
    EXPECT_EQ(row("g1").reason, "changed my mind");
    env.advance(60s);
    EXPECT_THAT(at.calls, IsEmpty());
}

// --- workflows that run elsewhere -----------------------------------------------------------------------------------------------------

TEST_F(Patterns, AWorkflowElsewhereIsCalledBackUntilItHasEnded)
{
    auto t = of_type("workflow", "g1");
    t.query_prepared = "there";
    t.custom_data = R"({"name":"pay","data":"eyJhIjoxfQ=="})";
    auto const first = ask<weft::transaction>([&](auto token) { manager().prepare_workflow(t, std::move(token)); });
    EXPECT_EQ(first.status, status::prepared);
    auto step = registered("01", "action", "", "");
    step.resize(1);
    step[0].status = status::succeed;
    step[0].data = std::string("\x00\xff", 2);
    register_branch("g1", step);
    env.advance(9s);
    EXPECT_THAT(at.calls, IsEmpty());
    env.advance(25s);
    EXPECT_THAT(at.seen(), ElementsAre("00 pay there", "00 pay there", "00 pay there"));
    EXPECT_EQ(at.calls[0].operation.payload, "{\"a\":1}");
    auto const again = ask<weft::transaction>([&](auto token) { manager().prepare_workflow(t, std::move(token)); });
    ASSERT_EQ(again.ops.size(), 1u);
    EXPECT_EQ(again.ops[0].data, std::string("\x00\xff", 2));
    ask<weft::transaction>(
        [&](auto token) { manager().finish_workflow(weft::gid("g1"), status::succeed, "", "cmVzdWx0", std::move(token)); });
    env.advance(60s);
    EXPECT_EQ(at.calls.size(), 3u);
    EXPECT_EQ(row("g1").result, "cmVzdWx0");
    EXPECT_NE(refusal(
                  [&] {
                      ask<weft::transaction>(
                          [&](auto token) { manager().finish_workflow(weft::gid("g1"), status::failed, "", "", std::move(token)); });
                  },
                  weft::misuse::code::wrong_status),
              "none");
}

TEST_F(Patterns, CallbacksThatFailBackOffAndAreCounted)
{
    auto t = of_type("workflow", "g1");
    t.query_prepared = "there";
    t.custom_data = R"({"name":"pay","data":""})";
    ask<weft::transaction>([&](auto token) { manager().prepare_workflow(t, std::move(token)); });
    at.answers["pay there"] = {outcome::error("502"), outcome::error("502"), outcome::error("502"),
                               outcome::error("502"), outcome::success(),    outcome::ongoing("425")};
    env.advance(4min);
    std::vector<std::chrono::milliseconds> times;
    for (auto const& c : at.calls)
        times.push_back(c.at);
    ASSERT_GE(times.size(), 7u);
    times.resize(7);
    EXPECT_THAT(times, ElementsAre(0s, 20s, 60s, 120s, 180s, 190s, 200s));
    EXPECT_THAT(alerts, ElementsAre("g1 there 1", "g1 there 2", "g1 there 3", "g1 there 4"));
}

// A gid is one of its own type: who says another one means another transaction.
TEST_F(Patterns, ATypeIsPartOfWhatIsMeant)
{
    prepare(of_type("tcc", "g1"));
    prepare(of_type("workflow", "g2"));
    auto const finish = [&](std::string gid) {
        ask<weft::transaction>([&](auto token) { manager().finish_workflow(weft::gid(gid), status::succeed, "", "", std::move(token)); });
    };
    using code = weft::misuse::code;
    EXPECT_THAT(refusal([&] { finish("g1"); }, code::wrong_status), HasSubstr("of type 'tcc'"));
    EXPECT_THAT(refusal([&] { submit(saga("g2")); }, code::wrong_status), HasSubstr("of type 'workflow'"));
    EXPECT_THAT(refusal([&] { prepare(of_type("xa", "g1")); }, code::wrong_status), HasSubstr("of type 'tcc'"));
    EXPECT_THAT(refusal([&] { register_branch("g2", registered("01", "cancel", "confirm", "a")); }, code::wrong_status),
                HasSubstr("no trans with gid: g2"));
    EXPECT_EQ(row("g1").status, status::prepared);
    EXPECT_EQ(row("g2").status, status::prepared);
    EXPECT_THAT(row("g2").ops, IsEmpty());
}

TEST_F(Patterns, AMessageGoesToSubscribers)
{
    auto t = of_type("msg", "g1");
    t.steps.resize(2);
    t.steps[0].payload = t.steps[1].payload = "{}";
    t.steps[0].subscribers = {"a", "b"};
    t.steps[1].subscribers = {"c"};
    EXPECT_EQ(submit(t, weft::returns::when_tried).status, status::succeed);
    EXPECT_THAT(at.seen(), ElementsAre("01-01 action a", "01-02 action b", "02 action c"));
    auto s = saga("g2");
    s.steps[0].subscribers = {"a"};
    EXPECT_NE(refusal([&] { submit(s); }, weft::misuse::code::bad_value), "none");
}

TEST_F(Patterns, WhatIsDueLaterIsMadeDueNow)
{
    at.answers["action a"] = {outcome::ongoing("425"), outcome::success()};
    submit(saga("g1", 1, "{\"retry_interval\":3600}"), weft::returns::when_tried);
    ask<std::monostate>([&](auto token) { manager().make_due(weft::gid("g1"), std::move(token)); });
    env.settle();
    EXPECT_EQ(row("g1").status, status::succeed);
    auto const nobody = [&] { ask<std::monostate>([&](auto token) { manager().make_due(weft::gid("nobody"), std::move(token)); }); };
    EXPECT_THAT(refusal(nobody, weft::misuse::code::unknown_gid), HasSubstr("nobody"));
}

// Two clients that wait for one transaction: whoever comes second hears how the attempt ends, too.
TEST_F(Patterns, WhoeverSubmitsAgainWaitsForTheSameAttempt)
{
    at.hold = true;
    std::vector<std::string> ends;
    for (int i = 0; i < 2; ++i)
    {
        manager().submit(saga("g1", 1), weft::returns::when_tried,
                         [&](std::exception_ptr, weft::transaction t) { ends.emplace_back(to_string(t.status)); });
        env.settle();
    }
    EXPECT_THAT(ends, IsEmpty());
    std::move(*at.calls[0].held).answer(outcome::success());
    env.settle();
    EXPECT_THAT(ends, ElementsAre("succeed", "succeed"));
    EXPECT_EQ(at.calls.size(), 1u);
}

// It registers steps while it is being called back: the callback is not made again at once because of that.
TEST_F(Patterns, AWorkflowThatRecordsItsStepsIsLeftInPeace)
{
    auto t = of_type("workflow", "g1");
    t.query_prepared = "there";
    t.custom_data = R"({"name":"pay","data":""})";
    ask<weft::transaction>([&](auto token) { manager().prepare_workflow(t, std::move(token)); });
    at.hold = true;
    env.advance(11s);
    ASSERT_EQ(at.calls.size(), 1u);
    auto step = registered("01", "action", "", "");
    step.resize(1);
    step[0].status = status::succeed;
    register_branch("g1", step);
    std::move(*at.calls[0].held).answer(outcome::error("no answer within 3 s"));
    env.advance(5s);
    EXPECT_EQ(at.calls.size(), 1u);
    env.advance(6s);
    EXPECT_EQ(at.calls.size(), 2u);
}
}  // namespace patterns_test
