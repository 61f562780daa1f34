// What is handed to a call that may be awaited, and what becomes of it: aggregates, tokens, services, and branches that are awaited twice.
#include "tests/unit/workshop.hpp"

#include <weft/live_patterns.hpp>
#include <weft/patterns.hpp>
#include <weft/transaction_manager.hpp>
#include <weft/weft.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace awaited_test {

using namespace weft::literals;
using namespace workshop;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using weft::testing::environment;

class never_called final : public weft::remote_caller
{
    void start(weft::remote_operation const&, weft::operation_call) override { }
};

// Every call of the public headers that may be awaited and takes an aggregate, given a variable: each is instantiated here, under ASan too.
boost::asio::awaitable<std::size_t> hands_over(weft::engine& engine, weft::transaction_manager& manager)
{
    weft::list_filter const  everything{.limit = 10};
    auto const               before = co_await engine.list(everything);
    weft::global_transaction saga{
        .gid = "a-saga", .trans_type = "saga", .steps = {}, .query_prepared = {}, .protocol = {}, .options = {}, .custom_data = {}};
    co_await manager.submit(saga);
    weft::global_transaction tcc = saga;
    tcc.gid = "a-tcc";
    tcc.trans_type = "tcc";
    co_await manager.prepare(tcc);
    weft::global_transaction elsewhere = saga;
    elsewhere.gid = "a-workflow";
    elsewhere.trans_type = "workflow";
    elsewhere.query_prepared = "http://127.0.0.1:1/";
    co_await manager.prepare_workflow(elsewhere);
    weft::saga const made("a-made-saga");
    co_await made.submit(manager);
    auto const look = [&everything](weft::store& s) { return s.list(everything).size(); };
    auto const n = co_await manager.with_store<std::size_t>(look);
    co_await engine.purge(std::chrono::hours(24));
    auto const after = co_await engine.list(everything);
    co_return n == after.size() ? after.size() - before.size() : 0;
}

TEST(Awaited, TakesAggregatesThatHaveANameFirst)
{
    environment                                env;
    std::unique_ptr<weft::transaction_manager> manager;
    env.on_start([&](weft::engine& e) {
        weft::manager_options o;
        o.caller = std::make_shared<never_called>();
        manager = std::make_unique<weft::transaction_manager>(e, std::move(o));
    });
    std::size_t created = 0;
    bool        done = false;
    auto&       engine = env.engine();
    boost::asio::co_spawn(env.get_executor(), hands_over(engine, *manager), [&](std::exception_ptr e, std::size_t n) {
        if (e)
            std::rethrow_exception(e);
        created = n;
        done = true;
    });
    env.run_until([&] { return done; });
    EXPECT_EQ(created, 4u);
}

// Where nothing is awaited, nothing needs a name.
TEST(Awaited, TakesAggregatesInPlaceWithAHandler)
{
    environment env;
    bool        done = false;
    env.engine().list({.paused = true}, [&](std::exception_ptr, std::vector<weft::transaction> rows) { done = rows.empty(); });
    env.run_until([&] { return done; });
}

TEST(Token, ThatIsAnLvalueIsCopied)
{
    environment env;
    int         answers = 0;
    struct handler
    {
        std::shared_ptr<int> kept = std::make_shared<int>(7);
        int*                 answers;
        void                 operator()(std::exception_ptr, std::optional<weft::transaction>) const { ++*answers; }
        void                 operator()(std::exception_ptr, std::string) const { ++*answers; }
        void                 operator()(std::exception_ptr, bool) const { ++*answers; }
        void                 operator()(std::exception_ptr) const { ++*answers; }
    };
    handler token{.answers = &answers};
    env.engine().query("g1"_gid, token);
    EXPECT_TRUE(token.kept);
    env.engine().execute_text("nobody-knows-it", "g1"_gid, "", token);
    EXPECT_TRUE(token.kept);
    weft::handle<void()> const unknown(env.engine(), "nobody-knows-it");
    unknown.execute("g1"_gid, token);
    EXPECT_TRUE(token.kept);
    unknown.execute("g1"_gid, weft::within(1s), token);
    EXPECT_TRUE(token.kept);
    weft::handle<void(int)>(env.engine(), "nobody-knows-it").submit("g1"_gid, 5, token);
    EXPECT_TRUE(token.kept);
    env.engine().alive(token);
    EXPECT_TRUE(token.kept);
    env.run_until([&] { return answers == 6; });
}

struct service
{
    int n = 0;
};
int  use(service& s) { return ++s.n; }
void refuses() { throw weft::failure("no"); }
int  keep(service& s, int n) { return s.n = n; }
void drop(service&, int) { }

weft::workflow<void> uses_its_own(weft::context& wf)
{
    service mine;
    co_await wf.step("use", weft::with(mine, &use));
}

weft::workflow<void> catches_everything(weft::context& wf)
{
    service mine;
    try
    {
        co_await wf.step("use", weft::with(mine, &use));
    }
    catch (...)
    { }
}

weft::workflow<int> a_part(weft::context& wf, service& s)
{
    co_return co_await wf.saga("keep", weft::with(s, &keep), weft::with(s, &drop), 4);
}

weft::workflow<int> gives_its_own_to_a_part(weft::context& wf)
{
    service mine;
    co_return co_await a_part(wf, mine);
}

weft::workflow<int> uses_what_it_was_given(weft::context& wf, service& s)
{
    auto const n = co_await a_part(wf, s);
    co_return n + co_await wf.step("use", weft::with(s, &use));
}

TEST(Service, ThatLivesInTheBodyPausesBeforeAnythingIsSent)
{
    environment env;
    auto const  the_uses_its_own = env.add("uses-its-own", &uses_its_own);
    auto const  the_catches_everything = env.add("catches-everything", &catches_everything);
    auto const  the_gives_its_own_to_a_part = env.add("gives-its-own-to-a-part", &gives_its_own_to_a_part);
    the_uses_its_own.submit("g1"_gid);
    the_catches_everything.submit("g2"_gid);
    the_gives_its_own_to_a_part.submit("g3"_gid);
    env.finish();
    for (auto const* gid : {"g1", "g2", "g3"})
        EXPECT_THAT(env.query(weft::gid(gid))->paused_reason, HasSubstr("its service is a variable of the body")) << gid;
    EXPECT_THAT(env.calls(), IsEmpty());
}

TEST(Service, ThatOutlivesTheBodyIsUsedByItsParts)
{
    service     outside;
    environment env;
    auto const  uses = env.add("uses", &uses_what_it_was_given, std::ref(outside));
    EXPECT_EQ(uses.execute("g1"_gid).value(), 9);
}

weft::workflow<int> awaits_a_branch_twice(weft::context& wf)
{
    auto branch = wf.step("same", &same, 3);
    co_await std::move(branch);
    co_return co_await std::move(branch);
}

weft::workflow<int> awaits_a_part_twice(weft::context& wf, service& s)
{
    auto part = a_part(wf, s);
    co_await std::move(part);
    co_return co_await std::move(part);
}

TEST(Awaited, ThatAwaitsSomethingTwicePauses)
{
    service     outside;
    environment env;
    auto const  branch = env.add("branch", &awaits_a_branch_twice);
    auto const  part = env.add("part", &awaits_a_part_twice, std::ref(outside));
    branch.submit("g1"_gid);
    part.submit("g2"_gid);
    env.finish();
    EXPECT_THAT(env.query("g1"_gid)->paused_reason, HasSubstr("was awaited a second time"));
    EXPECT_THAT(env.query("g2"_gid)->paused_reason, HasSubstr("was awaited a second time"));
}

// What each of these makes is never awaited: it would not happen, and nobody would hear of it.
struct forgetful
{
    int version = 1;
};

weft::workflow<int> forgets(weft::context& wf, service& s, forgetful& f)
{
    if (f.version == 1)
    {
        // weft-lint: ok it is to be forgotten
        [[maybe_unused]] auto money = wf.saga("keep", weft::with(s, &keep), weft::with(s, &drop), 4);
        co_await wf.step("use", weft::with(s, &use));
        co_return 1;
    }
    if (f.version == 2)
    {
        [[maybe_unused]] auto part = a_part(wf, s);  // weft-lint: ok it is to be forgotten
        co_await wf.step("use", weft::with(s, &use));
        co_return 2;
    }
    if (f.version == 3)
        static_cast<void>(a_part(wf, s));
    else if (f.version == 4)
        static_cast<void>(weft::as_outcome(wf.step("use", weft::with(s, &use))));
    else if (f.version == 5)
    {
        std::vector<weft::workflow<int>> parts;
        parts.push_back(a_part(wf, s));
        parts.push_back(a_part(wf, s));
        auto first = std::move(parts.front());
        co_await std::move(first);
    }
    co_await wf.step("use", weft::with(s, &use));
    co_return 0;
}

class Forgotten : public ::testing::Test
{
protected:
    Forgotten() { env.add("forgets", &forgets, std::ref(outside), std::ref(code)); }

    std::string pause_of(int version)
    {
        code.version = version;
        auto const gid = "g" + std::to_string(version);
        env.workflow<int()>("forgets").submit(weft::gid(gid));
        env.finish();
        EXPECT_EQ(env.query(weft::gid(gid))->status, weft::status::prepared) << "it must not commit";
        return env.query(weft::gid(gid))->paused_reason;
    }

    service     outside;
    forgetful   code;
    environment env;
};

TEST_F(Forgotten, BranchPausesAtTheEndOfTheBody)
{
    EXPECT_THAT(pause_of(1), ::testing::StartsWith("the body made a branch \"keep\" and did not await it (awaited_test.cpp:"));
    EXPECT_EQ(outside.n, 1);
    EXPECT_THAT(pause_of(4), ::testing::StartsWith("the body made a branch \"use\" and did not await it (awaited_test.cpp:"));
}

TEST_F(Forgotten, PartPausesAndIsNamed)
{
    for (int version : {2, 3, 5})
    {
        auto const reason = pause_of(version);
        EXPECT_THAT(reason, ::testing::StartsWith("the body made a part of itself, ")) << version;
        EXPECT_THAT(reason, HasSubstr("a_part(")) << version;
        EXPECT_THAT(reason, HasSubstr("and did not await it (awaited_test.cpp:")) << version;
    }
}

TEST_F(Forgotten, IsSaidAgainOnReplayAndMendedByNewCode)
{
    auto const reason = pause_of(2);
    env.crash();
    env.resume("g2"_gid);
    env.finish();
    EXPECT_EQ(env.query("g2"_gid)->paused_reason, reason);
    EXPECT_THAT(calls_of(env, "use"), ::testing::SizeIs(1));
    code.version = 0;
    env.resume("g2"_gid);
    EXPECT_EQ(env.workflow<int()>("forgets").execute("g2"_gid).value(), 0);
}

weft::workflow<int> is_passed(weft::context& wf, service& s, forgetful& f)
{
    try
    {
        auto part = a_part(wf, s);
        if (f.version == 1)
            throw std::runtime_error("a failure of no branch");
        co_await wf.step("no", &refuses);
        co_return co_await std::move(part);
    }
    catch (std::runtime_error const&)
    { }
    co_return 7;
}

// A frame that ends for another reason drops what is in it, and says nothing.
TEST(Part, ThatAnExceptionOrTheEndOfAnAttemptPassesIsNotForgotten)
{
    service     outside;
    forgetful   code;
    environment env;
    auto const  flow = env.add("is-passed", &is_passed, std::ref(outside), std::ref(code));
    EXPECT_EQ(flow.execute("g1"_gid).value(), 7);
    code.version = 2;
    EXPECT_EQ(flow.execute("g2"_gid).value(), 7);
    env.on("no").hangs().is_ongoing().times(2).throws("down").times(9).fails("no");
    flow.submit("g3"_gid);
    env.settle();
    env.crash();
    env.finish();
    EXPECT_EQ(env.query("g3"_gid)->status, weft::status::succeed) << env.query("g3"_gid)->paused_reason;
    env.on("no").hangs();
    flow.submit("g4"_gid);
    env.settle();
    env.stop(0ms);
    EXPECT_THAT(env.query("g4"_gid)->paused_reason, IsEmpty());
}

}  // namespace awaited_test
