// One write that the store does not take stops its own transaction, and no other.
#include "tests/unit/branches.hpp"
#include "tests/unit/workshop.hpp"
#include "tests/unit/wrapped_store.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace isolation_test {

using namespace weft::literals;
using namespace workshop;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;
using weft::known;
using weft::store_error;

weft::workflow<int> two_steps(weft::context& wf)
{
    auto const a = co_await wf.step("first", &same, 1);
    co_return a + co_await wf.step("second", &same, 2);
}

constexpr auto words = "server: current transaction is aborted (25P02)";

std::string const& gid_of(weft::write const& w)
{
    static std::string const none;
    return std::visit(
        [](auto const& x) -> std::string const& {
            if constexpr (std::is_same_v<std::decay_t<decltype(x)>, weft::local_write>)
                return none;
            else
                return x.gid;
        },
        w);
}

class Isolation : public ::testing::Test, protected managed
{
protected:
    Isolation() : Isolation(std::make_shared<wrapped_store::control>()) { }
    explicit Isolation(std::shared_ptr<wrapped_store::control> c) : managed(wrapped_store::options(c)), control(std::move(c))
    {
        env.add("two-steps", &two_steps);
        env.engine();
        env.settle();
    }

    // The whole batch fails where there is such a write in it, as a database transaction does.
    void reject(std::function<bool(weft::write const&)> is_bad, store_error how = store_error(words))
    {
        control->seen = [this, is_bad = std::move(is_bad), how](weft::write const& w) {
            if (!is_bad(w))
                return;
            ++rejections;
            throw how;
        };
    }
    void reject_nothing()
    {
        control->seen = [](weft::write const&) {};
    }

    void submit_many(int n = 20)
    {
        for (int i = 0; i < n; ++i)
            weft::handle<int()>(env.engine(), "two-steps").submit(weft::gid("g" + std::to_string(i)), [this](std::exception_ptr e) {
                errors += e != nullptr;
            });
        all = n;
    }
    // All but those that are meant to be bad.
    int ended(std::initializer_list<char const*> but = {"g7"})
    {
        int n = 0;
        for (int i = 0; i < all; ++i)
        {
            auto const gid = "g" + std::to_string(i);
            auto const t = env.store().find(gid, false);
            n += std::find(but.begin(), but.end(), gid) == but.end() && t && t->status == weft::status::succeed;
        }
        return n;
    }

    std::shared_ptr<wrapped_store::control> control;
    int                                     rejections = 0, errors = 0, all = 0;
};

bool is_extension_of(weft::write const& w, std::string const& gid)
{
    auto const* e = std::get_if<weft::extend_write>(&w);
    return e && e->gid == gid;
}

TEST_F(Isolation, AWriteThatIsRejectedPausesItsTransactionWithTheServersWords)
{
    reject([](weft::write const& w) { return is_extension_of(w, "g7"); });
    submit_many();
    env.advance(10s);
    EXPECT_EQ(ended(), 19);
    EXPECT_THAT(row("g7").paused_reason, HasSubstr(words));
    EXPECT_EQ(errors, 0);
    reject_nothing();
    env.resume("g7"_gid);
    env.finish();
    EXPECT_EQ(row("g7").result, "3");
}

// Whichever of its writes it is: the creation, each extension, the park.
TEST_F(Isolation, AtAnyWriteOfABatchAllOthersGoOn)
{
    for (int at = 0; at < 5; ++at)
    {
        SCOPED_TRACE(at);
        auto const                 bad = "bad" + std::to_string(at), prefix = "t" + std::to_string(at) + "-";
        int                        nth = 0;
        bool                       caller_told = false;
        std::optional<weft::write> rejected;
        // The same write, however often it is tried.
        reject([&, at](weft::write const& w) {
            if (gid_of(w) != bad)
                return false;
            if (rejected)
                return rejected->index() == w.index() &&
                       (!std::holds_alternative<weft::extend_write>(w) ||
                        std::get<weft::extend_write>(w).position == std::get<weft::extend_write>(*rejected).position);
            if (nth++ != at)
                return false;
            rejected = w;
            return true;
        });
        env.on("first").runs();
        for (int i = 0; i < 20; ++i)
            weft::handle<int()>(env.engine(), "two-steps").submit(weft::gid(prefix + std::to_string(i)), [](std::exception_ptr) {});
        weft::handle<int()>(env.engine(), "two-steps").submit(weft::gid(bad), [&](std::exception_ptr error) {
            caller_told = error != nullptr;
            try
            {
                if (error)
                    std::rethrow_exception(error);
            }
            catch (store_error const& e)
            {
                EXPECT_EQ(e.written(), known::not_written);
                EXPECT_THAT(e.what(), HasSubstr(words));
            }
        });
        env.advance(15s);
        for (int i = 0; i < 20; ++i)
            EXPECT_EQ(row(prefix + std::to_string(i)).status, weft::status::succeed) << i;
        auto const t = env.store().find(bad, false);
        EXPECT_EQ(caller_told, at == 0);
        EXPECT_EQ(t.has_value(), at != 0);
        if (rejected && t)
        {
            EXPECT_THAT(t->paused_reason, HasSubstr(words));
        }
        reject_nothing();
    }
}

TEST_F(Isolation, SeveralBadOnesStopOnlyThemselves)
{
    reject([](weft::write const& w) { return is_extension_of(w, "g3") || is_extension_of(w, "g7") || is_extension_of(w, "g8"); });
    submit_many(300);
    env.advance(20s);
    EXPECT_EQ(ended({"g3", "g7", "g8"}), 297);
    for (auto const* gid : {"g3", "g7", "g8"})
        EXPECT_THAT(row(gid).paused_reason, HasSubstr(words)) << gid;
}

TEST_F(Isolation, ABadWriteWithNoOthersIsRefusedToo)
{
    reject([](weft::write const& w) { return is_extension_of(w, "g0"); });
    submit_many(1);
    env.advance(10s);
    EXPECT_THAT(row("g0").paused_reason, HasSubstr(words));
}

// What may pass waits by itself, and is applied when it has passed.
TEST_F(Isolation, AWriteThatMayYetSucceedWaitsAsideAndIsNotLost)
{
    reject([](weft::write const& w) { return is_extension_of(w, "g7"); },
           store_error("could not extend file: no space left (53100)", known::not_written, store_error::cause::passing));
    submit_many();
    env.advance(8s);
    EXPECT_EQ(ended(), 19);
    EXPECT_EQ(row("g7").paused_reason, "");
    submit_many(30);
    env.advance(3s);
    EXPECT_EQ(ended(), 29) << "and whoever comes later";
    reject_nothing();
    env.advance(3s);
    EXPECT_EQ(row("g7").result, "3");
}

TEST_F(Isolation, WhatSeemsToPassAndDoesNotIsRefusedInTheEnd)
{
    reject([](weft::write const& w) { return is_extension_of(w, "g7"); },
           store_error("deadlock detected (40P01)", known::not_written, store_error::cause::passing));
    submit_many();
    env.advance(20s);
    EXPECT_EQ(row("g7").paused_reason, "");
    env.workflow<int()>("two-steps").submit("another"_gid);
    env.advance(40s);
    EXPECT_THAT(row("g7").paused_reason, HasSubstr("deadlock"));
}

// Nobody knows whether it was applied, so it is never refused.
TEST_F(Isolation, AWriteInDoubtIsTriedUntilItIsKnown)
{
    reject([](weft::write const& w) { return is_extension_of(w, "g7"); }, store_error("the answer was lost", known::in_doubt));
    submit_many();
    env.advance(5min);
    EXPECT_EQ(ended(), 19);
    EXPECT_EQ(row("g7").paused_reason, "");
    EXPECT_LT(rejections, 500) << "and not in a tight loop";
    reject_nothing();
    env.finish();
    EXPECT_EQ(row("g7").result, "3");
}

TEST_F(Isolation, NothingIsRefusedWhileTheStoreIsDown)
{
    submit_many();
    env.settle();
    all = 0;
    submit_many();
    control->down = true;
    env.advance(5min);
    control->down = false;
    env.advance(1min);
    for (auto const& t : env.list())
        EXPECT_EQ(t.paused_reason, "");
}

// A coordinator that cannot be reached says nothing about what it was sent, whatever the beats say.
TEST_F(Isolation, NothingIsRefusedByAStoreThatIsNotReached)
{
    reject([](weft::write const&) { return true; }, store_error("connection refused", known::not_written, store_error::cause::unreachable));
    env.workflow<int()>("two-steps").submit("g0"_gid);
    env.advance(5min);
    EXPECT_FALSE(env.store().find("g0", false));
    reject_nothing();
    env.finish();
    EXPECT_EQ(row("g0").result, "3");
}

// Not even the park is taken: it stays where it is, nobody runs it in a loop, and it goes on when the store takes its writes again.
TEST_F(Isolation, ATransactionOfWhichNothingIsTakenIsLeftAloneAndNotForgotten)
{
    submit_many();
    reject([&](weft::write const& w) { return gid_of(w) == "g7" && !std::holds_alternative<weft::create_write>(w); });
    env.advance(10min);
    EXPECT_EQ(ended(), 19);
    EXPECT_EQ(row("g7").paused_reason, "");
    EXPECT_LT(rejections, 150);
    EXPECT_LE(calls_of(env, "first").size(), 21u) << "it is not run again while nothing can be recorded";
    std::string said;
    weft::handle<int()>(env.engine(), "two-steps").execute("g7"_gid, [&](std::exception_ptr e, int) {
        try
        {
            if (e)
                std::rethrow_exception(e);
            said = "done";
        }
        catch (std::exception const& wrong)
        {
            said = wrong.what();
        }
    });
    reject_nothing();
    env.run_until([&] { return !said.empty(); });
    EXPECT_EQ(said, "done");
    EXPECT_EQ(row("g7").result, "3");
}

TEST_F(Isolation, WhoWaitsForATransactionOfWhichNothingIsTakenIsToldSo)
{
    std::optional<known> told;
    reject([&](weft::write const& w) { return gid_of(w) == "g7" && !std::holds_alternative<weft::create_write>(w); });
    weft::handle<int()>(env.engine(), "two-steps").execute("g7"_gid, [&](std::exception_ptr e, int) {
        try
        {
            std::rethrow_exception(e);
        }
        catch (store_error const& wrong)
        {
            told = wrong.written();
            EXPECT_THAT(wrong.what(), HasSubstr(words));
        }
    });
    env.advance(30s);
    EXPECT_EQ(told, known::applied) << "the transaction is there";
    env.stop(10s);
    EXPECT_TRUE(row("g7").owner.empty()) << "an engine that stops gives it back";
}

// Of a pattern: what a client asked for in order is done in order, also while another write fails.
TEST_F(Isolation, TheOrderOfOneTransactionsWritesIsKept)
{
    prepare(of_type("tcc", "g1", R"({"timeout_to_fail":100000})"));
    reject([](weft::write const& w) { return is_extension_of(w, "g7"); });
    submit_many();
    env.settle();
    std::vector<std::string> answers;
    auto const               note = [&](std::string what) {
        return [&answers, what](std::exception_ptr e, auto&&...) { answers.push_back(what + (e ? " no" : " yes")); };
    };
    manager().register_branch(weft::gid("g1"), "tcc", registered("01", "cancel", "confirm", "a"), note("01"));
    manager().register_branch(weft::gid("g1"), "tcc", registered("02", "cancel", "confirm", "b"), note("02"));
    manager().submit(of_type("tcc", "g1"), note("submit"));
    env.advance(20s);
    EXPECT_THAT(answers, ElementsAre("01 yes", "02 yes", "submit yes"));
    EXPECT_EQ(row("g1").status, weft::status::succeed);
    EXPECT_THAT(at.seen(), UnorderedElementsAre("01 confirm a", "02 confirm b"));
}

// A caller's request that waits aside is withdrawn like any other, and its caller hears what is known.
TEST_F(Isolation, ACallerWhoseWriteWaitsAsideIsToldInTime)
{
    submit_many();
    reject([](weft::write const& w) { return std::holds_alternative<weft::request_write>(w); },
           store_error("a lock was not granted (55P03)", known::not_written, store_error::cause::passing));
    std::optional<known> told;
    env.engine().resume("g7"_gid, [&](std::exception_ptr e) {
        try
        {
            if (e)
                std::rethrow_exception(e);
        }
        catch (store_error const& wrong)
        {
            told = wrong.written();
        }
    });
    env.advance(15s);
    EXPECT_EQ(told, known::not_written);
    EXPECT_EQ(ended({}), 20);
}

}  // namespace isolation_test
