// Several engines on one store, and what must not come between them: an outage, a clock that jumps, a full memory, a crowd that waits.
#include "tests/support/forwarding_store.hpp"
#include "tests/unit/workshop.hpp"

#include <weft/errors.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

namespace fleet_test {

using namespace weft::literals;
using namespace workshop;
using weft::testing::environment;
using weft::testing::environment_options;

// The machine's clock as the environment has it, but for the time of day.
class jumping_clock final : public weft::clock
{
public:
    explicit jumping_clock(std::shared_ptr<weft::clock> base) : base_(std::move(base)) { }

    std::chrono::system_clock::time_point now() const override { return base_->now() + off; }
    std::chrono::nanoseconds              since_boot() const override { return base_->since_boot(); }
    std::unique_ptr<weft::alarm>          make_alarm(boost::asio::any_io_executor e) override { return base_->make_alarm(std::move(e)); }

    std::chrono::hours off{0};

private:
    std::shared_ptr<weft::clock> base_;
};

// Where the engines meet. Counts what it is asked, and may be down.
class meeting_place final : public forwarding_store
{
public:
    struct state
    {
        bool                           down = false;
        std::shared_ptr<jumping_clock> clock;
        int                            finds = 0, questions = 0, versions = 0, failing_cancel_requests = 0;
        std::chrono::milliseconds      look_takes{0};
        weft::testing::virtual_clock*  time = nullptr;
    };

    static environment_options options(std::shared_ptr<state> s)
    {
        environment_options o;
        o.open_store = [s](std::shared_ptr<weft::clock> c) {
            s->clock = std::make_shared<jumping_clock>(std::move(c));
            return std::make_unique<meeting_place>(weft::make_memory_store(s->clock), s);
        };
        return o;
    }

    meeting_place(std::unique_ptr<weft::store> base, std::shared_ptr<state> s) : forwarding_store(std::move(base)), state_(std::move(s)) { }

    std::vector<weft::write_result> apply(std::span<weft::write const> w, bool repeated) override
    {
        check();
        return base_->apply(w, repeated);
    }
    weft::beaten beat(std::string const& e, std::span<std::string const> w) override
    {
        check();
        return base_->beat(e, w);
    }
    bool bury(std::string const& e, std::int64_t beats) override
    {
        check();
        return base_->bury(e, beats);
    }
    weft::claimed claim(std::string const& e, std::span<std::string const> w, std::size_t limit, bool owned_too) override
    {
        check();
        return base_->claim(e, w, limit, owned_too);
    }
    std::uint64_t version() override
    {
        check();
        ++state_->versions;
        if (state_->look_takes.count() > 0)
            state_->time->advance(state_->look_takes);
        return base_->version();
    }
    std::vector<std::string> cancel_requests(std::string const& e) override
    {
        auto requests = base_->cancel_requests(e);
        if (!requests.empty() && state_->failing_cancel_requests > 0 && state_->failing_cancel_requests-- > 0)
            throw weft::store_error("for a moment");
        return requests;
    }
    std::optional<weft::transaction> find(std::string_view gid, bool with_journal) override
    {
        ++state_->finds;
        return base_->find(gid, with_journal);
    }
    std::vector<weft::transaction> settled(std::span<std::string const> gids) override
    {
        ++state_->questions;
        return base_->settled(gids);
    }

private:
    void check() const
    {
        if (state_->down)
            throw weft::store_error("connection refused");
    }

    std::shared_ptr<state> state_;
};

weft::workflow<int> one_step(weft::context& wf) { co_return co_await wf.step("work", &same, 7); }

// In the same process as the environment's, on the same store.
class another_engine
{
public:
    explicit another_engine(environment& env, std::size_t max_in_flight = 1'000'000)
        : engine(env.get_executor(), env.store(), options(env, max_in_flight))
    { }
    void run()
    {
        engine.run([](std::exception_ptr) {});
    }

    weft::engine engine;

private:
    static weft::engine_options options(environment& env, std::size_t max_in_flight)
    {
        weft::engine_options o;
        o.clock = std::shared_ptr<weft::clock>(std::shared_ptr<void>(), &env.clock());
        o.store_executor = env.get_executor();
        o.max_in_flight = max_in_flight;
        o.seed = 4711;
        return o;
    }
};

class Fleet : public ::testing::Test
{
protected:
    std::shared_ptr<meeting_place::state> place = std::make_shared<meeting_place::state>();

    std::map<std::string, std::string> owners(environment& env)
    {
        std::map<std::string, std::string> all;
        for (auto const& row : env.store().list({.unfinished = true}))
            all[row.gid] = row.owner;
        return all;
    }
};

class FleetOfThree : public Fleet
{
protected:
    FleetOfThree() : options_(meeting_place::options(place))
    {
        options_.peers = 2;
        options_.engine.operation_timeout = 0ms;
        env.emplace(options_);
        auto const one = env->add("one", &one_step);
        env->on("work").answers_after(60s).runs();
        for (int i = 0; i < 30; ++i)
            one.submit(weft::gid("g" + std::to_string(i)));
        env->advance(2s);
        before = owners(*env);
        EXPECT_EQ(env->calls().size(), 30u);
    }

    environment_options                options_;
    std::optional<environment>         env;
    std::map<std::string, std::string> before;
};

// Whoever beats first after the outage finds that the others have not beaten for long. Neither has it seen them not to.
TEST_F(FleetOfThree, AnOutageOfTheStoreBuriesNobody)
{
    for (auto const outage : {5s, 4s, 9s})
    {
        place->down = true;
        env->advance(outage);
        place->down = false;
        env->advance(3s);
    }
    EXPECT_EQ(owners(*env), before);
    env->finish();
    EXPECT_EQ(env->calls().size(), 30u) << "nothing was sent twice";
}

TEST_F(FleetOfThree, AClockThatJumpsBuriesNobody)
{
    for (auto const step : {1h, 2h, 1h, 0h})
    {
        place->clock->off = step;
        env->advance(3s);
    }
    EXPECT_EQ(owners(*env), before);
    env->finish();
    EXPECT_EQ(env->calls().size(), 30u) << "nothing was sent twice";
}

TEST_F(FleetOfThree, TheDeadAreBuriedAllTheSame)
{
    env->crash();
    env->advance(6s);
    auto const after = owners(*env);
    EXPECT_NE(after, before);
    EXPECT_FALSE(std::any_of(after.begin(), after.end(), [](auto const& row) { return row.second.empty(); }));
    env->finish();
    EXPECT_GT(env->calls().size(), 30u);
    for (auto const& [gid, owner] : before)
        EXPECT_EQ(env->query(weft::gid(gid))->status, weft::status::succeed);
}

// Eight at a time; each takes no time at all.
TEST_F(Fleet, AtTheLimitWorkIsClaimedAsSoonAsThereIsRoom)
{
    environment env(meeting_place::options(place));
    env.engine().declare<int()>("one");
    for (int i = 0; i < 200; ++i)
        env.workflow<int()>("one").submit(weft::gid("g" + std::to_string(i)));
    env.settle();
    another_engine other(env, 8);
    std::size_t    most = 0;
    other.engine.add("one", &one_step);
    auto const from = env.clock().since_boot();
    other.run();
    env.run_until([&] {
        most = std::max(most, other.engine.in_flight().transactions);
        return env.store().list({.unfinished = true}).empty();
    });
    EXPECT_LT(env.clock().since_boot() - from, 1s) << "not eight for each poll";
    EXPECT_LE(most, 8u);
}

TEST_F(Fleet, AWorkflowWithALongQueueKeepsNoOtherWaiting)
{
    environment env(meeting_place::options(place));
    env.engine().declare<int()>("one");
    env.engine().declare<int()>("two");
    env.engine().declare<int()>("three");
    for (int i = 0; i < 100; ++i)
        env.workflow<int()>("one").submit(weft::gid("one-" + std::to_string(i)));
    env.settle();
    env.advance(1min);  // long before the others
    for (int i = 0; i < 15; ++i)
    {
        env.workflow<int()>("two").submit(weft::gid("two-" + std::to_string(i)));
        env.workflow<int()>("three").submit(weft::gid("three-" + std::to_string(i)));
    }
    env.settle();
    another_engine other(env, 2);
    for (auto const* name : {"one", "two", "three"})
        other.engine.add(name, &one_step);
    other.run();
    auto const open = [&](char const* name) { return env.store().list({.unfinished = true, .workflow = name, .limit = 1'000}).size(); };
    env.run_until([&] { return open("two") == 0 && open("three") == 0; });
    EXPECT_GT(open("one"), 70u) << "a third each";
    env.run_until([&] { return open("one") == 0; });
}

// Three thousand who wait for what another engine runs.
TEST_F(Fleet, WhoWaitsCostsNoQuestionOfTheirOwn)
{
    environment env(meeting_place::options(place));
    auto const  one = env.add("one", &one_step);
    env.on("work").answers_after(60s).runs();
    constexpr int many = 3'000;
    for (int i = 0; i < many; ++i)
        one.submit(weft::gid("g" + std::to_string(i)));
    env.settle();
    another_engine other(env);
    other.engine.declare<int()>("one");
    int answered = 0;
    for (int i = 0; i < many; ++i)
        one.of(other.engine).execute(weft::gid("g" + std::to_string(i)), [&](std::exception_ptr e, int n) { answered += !e && n == 7; });
    env.settle();
    place->finds = place->questions = 0;
    env.advance(10s);
    EXPECT_EQ(place->finds, 0);
    EXPECT_LE(place->questions, 41 * (many / 500)) << "four times a second, five hundred at once";
    env.advance(60s);
    EXPECT_EQ(answered, many);
}

// Somebody holds an old snapshot: each look for work takes half a second.
TEST_F(Fleet, LooksForWorkLessOftenWhereThatIsDear)
{
    environment env(meeting_place::options(place));
    place->time = &env.clock();
    auto const one = env.add("one", &one_step);
    env.engine();
    env.settle();
    place->look_takes = 500ms;
    env.advance(5s);
    place->versions = 0;
    env.advance(60s);
    EXPECT_LE(place->versions, 13);
    EXPECT_GE(place->versions, 5) << "but it looks";
    EXPECT_EQ(one.execute("g1"_gid).value(), 7) << "what is made due here starts at once";
    place->look_takes = 0ms;
    env.advance(20s);
    place->versions = 0;
    env.advance(10s);
    EXPECT_GT(place->versions, 30) << "and often again";
}

TEST_F(Fleet, ARequestToCancelIsReadAgainIfTheReadFailed)
{
    auto options = meeting_place::options(place);
    options.engine.operation_timeout = 0ms;
    environment env(options);
    auto const  one = env.add("one", &one_step);
    env.on("work").never_answers();
    one.submit("g1"_gid);
    env.settle();
    another_engine other(env);
    other.engine.add("one", &one_step);
    other.run();
    env.advance(5s);
    place->failing_cancel_requests = 1;
    std::optional<weft::cancel_answer> answer;
    other.engine.cancel("g1"_gid, [&](std::exception_ptr, weft::cancel_answer a) { answer = a; });
    env.advance(600s);
    EXPECT_EQ(answer, weft::cancel_answer::accepted);
    EXPECT_EQ(place->failing_cancel_requests, 0) << "it happened";
    EXPECT_EQ(env.query("g1"_gid)->status, weft::status::failed);
}

}  // namespace fleet_test
