// Random workflows × random participants × random crashes, several transactions and processes at once. The seed decides everything.
//   WEFT_SEED=4711 ./simulation_tests --gtest_filter=Random.*      one of them
//   WEFT_SEEDS=20000 …                                             so many, from 1 on
#include "tests/simulation/bank.hpp"
#include "tests/simulation/scenarios.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <random>

namespace {

using namespace simulation;
using namespace std::chrono_literals;
using ::testing::IsEmpty;
using weft::testing::environment;
using weft::testing::environment_options;

struct move
{
    int          verb = 0;  // step, saga, tcc, xa
    std::string  account;
    std::int64_t cents = 0;
    bool         caught = false;
};
BOOST_DESCRIBE_STRUCT(move, (), (verb, account, cents, caught))

struct program
{
    std::vector<move> moves;
    bool              fails = false;
};
BOOST_DESCRIBE_STRUCT(program, (), (moves, fails))

constexpr std::array<char const*, 4> verbs{"step", "saga", "tcc", "xa"};

request itself(request const& r) { return r; }

weft::workflow<std::int64_t> play_one(weft::context& wf, bank& b, move m, int n)
{
    vault         v(b);
    request const r{m.account, m.cents};
    auto const    name = std::string(verbs.at(static_cast<std::size_t>(m.verb))) + '-' + std::to_string(n);
    switch (m.verb)
    {
    case 0:
        co_return co_await wf.step(name, weft::with(b, &take), r);
    case 1:
        co_return co_await wf.saga(name, weft::with(b, &take), weft::with(b, &give_back), r);
    case 2:
        co_return co_await wf.tcc(name, weft::with(b, &reserve), weft::with(b, &confirm), weft::with(b, &release), r);
    default:
        co_return co_await wf.xa(name, v, &itself, r);
    }
}

// A failure that is caught makes it go another way: one step more.
weft::workflow<std::int64_t> play(weft::context& wf, bank& b, program p)
{
    std::int64_t sum = 0;
    int          n = 0;
    for (auto const& m : p.moves)
    {
        ++n;
        bool refused = false;
        try
        {
            sum += co_await play_one(wf, b, m, n);
        }
        catch (weft::failure const&)
        {
            if (!m.caught)
                throw;
            refused = true;
        }
        if (refused)
        {
            request const r{"instead", 1};
            sum += co_await wf.step("step-instead", weft::with(b, &take), r);
        }
        if (wf.random() % 7 == 0)
            sum += wf.now().time_since_epoch().count() % 2;
    }
    if (p.fails)
        throw weft::failure("it was planned so");
    co_return sum;
}

class dice
{
public:
    explicit dice(std::uint64_t seed) : random_(seed) { }
    // Each with its own distribution code: std's differs between libraries, and a seed shall mean the same everywhere.
    std::uint64_t below(std::uint64_t n) { return random_() % n; }
    bool          chance(unsigned percent) { return below(100) < percent; }

private:
    std::mt19937_64 random_;
};

void make_unreliable(environment& env, dice& d, std::string const& name, weft::operation op, bool first_phase)
{
    auto& s = env.on(name, op);
    for (auto n = 1 + d.below(3); n > 0; --n)
        switch (d.below(first_phase ? 9 : 8))
        {
        case 0:
            s.throws("down");
            break;
        case 1:
            s.loses_the_answer();
            break;
        case 2:
            s.never_answers();
            break;
        case 3:
            s.answers_twice();
            break;
        case 4:
            s.answers_after(std::chrono::milliseconds(d.below(9'000)));
            break;
        case 5:
            s.is_ongoing();
            break;
        case 6:
            s.answers_after(30s);
            break;
        case 7:
            s.runs();
            break;
        case 8:
            s.fails("no");
            break;
        }
    s.runs();
}

struct tally
{
    std::uint64_t transactions = 0, committed = 0, rolled_back = 0, crashes = 0, operations = 0, cancelled = 0;
};

void simulate(std::uint64_t seed, backend const& on, tally& t)
{
    dice                d(seed);
    environment_options options;
    options.open_store = on.open;
    options.seed = seed;
    options.peers = static_cast<unsigned>(d.below(3));
    options.patience = std::chrono::minutes(60 * 24);
    options.engine.seal_at = d.chance(40) ? 300 : 4096;
    options.engine.replay_always = d.chance(10);
    options.engine.operation_timeout = std::chrono::milliseconds(1'000 + d.below(9'000));
    options.engine.retry.initial = std::chrono::milliseconds(20 + d.below(3'000));
    options.engine.retry.cap = 20s;
    if (d.chance(40))
    {
        options.engine.retry.attempts = 3;
        options.engine.retry.then = d.chance(50) ? weft::retry_policy::exhausted::roll_back : weft::retry_policy::exhausted::pause;
    }

    bank        b;
    environment env(options);
    b.watch(env.store());
    env.add("play", &play, std::ref(b));
    for (int n = 1; n <= 6; ++n)
        for (auto const* verb : verbs)
        {
            auto const name = std::string(verb) + '-' + std::to_string(n);
            bool const is_tcc = name.starts_with("tcc"), is_xa = name.starts_with("xa");
            if (d.chance(35))
                make_unreliable(env, d, name, is_tcc ? weft::operation::try_ : weft::operation::action, true);
            if (d.chance(20))
                make_unreliable(env, d, name,
                                is_tcc  ? weft::operation::cancel
                                : is_xa ? weft::operation::rollback
                                        : weft::operation::compensate,
                                false);
            if (d.chance(20) && (is_tcc || is_xa))
                make_unreliable(env, d, name, is_tcc ? weft::operation::confirm : weft::operation::commit, false);
        }

    env.engine();
    env.settle();
    for (auto n = d.below(5); n > 0; --n)
    {
        // Two statements: the order in which arguments are evaluated differs between compilers.
        auto const mode = static_cast<environment::crash_mode>(1 + d.below(4));
        env.plant_crash(1 + d.below(50), mode);
    }

    auto const transactions = 1 + d.below(4);
    for (std::uint64_t g = 1; g <= transactions; ++g)
    {
        program p;
        for (auto n = 1 + d.below(6); n > 0; --n)
            p.moves.push_back({static_cast<int>(d.below(4)), std::string(1, static_cast<char>('a' + d.below(3))),
                               static_cast<std::int64_t>(1 + d.below(4'000)), d.chance(25)});
        p.fails = d.chance(25);
        env.submit("play", "g" + std::to_string(g), p);
        if (d.chance(30))
            env.advance(std::chrono::milliseconds(d.below(5'000)));
    }
    std::map<std::string, weft::cancel_answer> cancelled;
    if (d.chance(30))
    {
        auto const gid = "g" + std::to_string(1 + d.below(transactions));
        env.advance(std::chrono::milliseconds(d.below(4'000)));
        env.run_until([&] { return env.query(gid).has_value(); });
        cancelled[gid] = env.cancel(gid);
        t.cancelled += cancelled[gid] == weft::cancel_answer::accepted;
    }
    for (int rounds = 0;; ++rounds)
    {
        env.finish();
        auto const paused = env.list({.unfinished = true});
        if (paused.empty())
            break;
        ASSERT_LT(rounds, 50) << paused[0].gid << " is paused again and again: " << paused[0].paused_reason;
        for (auto const& row : paused)
            env.resume(row.gid);
    }

    EXPECT_THAT(b.audit(env), IsEmpty());
    for (auto const& row : env.list({.limit = 1'000}))
    {
        ++t.transactions;
        (row.status == weft::status::succeed ? t.committed : t.rolled_back)++;
        if (cancelled.contains(row.gid) && cancelled[row.gid] == weft::cancel_answer::accepted)
        {
            EXPECT_EQ(row.status, weft::status::failed) << row.gid << ": cancelling was accepted";
        }
    }
    t.crashes += env.crashes();
    t.operations += env.calls().size();
}

std::uint64_t number(char const* name, std::uint64_t otherwise)
{
    auto const* const text = std::getenv(name);
    return text && *text ? std::strtoull(text, nullptr, 10) : otherwise;
}

class Random : public ::testing::TestWithParam<backend>
{ };

TEST_P(Random, WorkflowsEndRightWhateverCrashes)
{
    auto const only = number("WEFT_SEED", 0);
    auto const usual = GetParam().name == "memory" ? 300u : 30u;
    auto const from = only ? only : 1, to = only ? only : number("WEFT_SEEDS", usual);
    tally      t;
    int        failed = 0;
    for (auto seed = from; seed <= to && failed < 3; ++seed)
    {
        auto const line = "repeat it with: WEFT_SEED=" + std::to_string(seed) + " " + program_invocation_name +
                          " --gtest_filter=*Random.WorkflowsEndRightWhateverCrashes/" + GetParam().name;
        SCOPED_TRACE(line);
        auto const parts = ::testing::UnitTest::GetInstance()->current_test_info()->result()->total_part_count();
        try
        {
            simulate(seed, GetParam(), t);
        }
        catch (std::exception const& e)
        {
            ADD_FAILURE() << e.what();
        }
        failed += ::testing::UnitTest::GetInstance()->current_test_info()->result()->total_part_count() > parts;
    }
    std::cout << GetParam().name << ": " << to - from + 1 << " seeds, " << t.transactions << " transactions (" << t.committed
              << " committed, " << t.rolled_back << " rolled back, " << t.cancelled << " cancelled), " << t.operations << " operations, "
              << t.crashes << " crashes\n";
    if (only || failed > 0)
        return;
    EXPECT_GT(t.committed, 0u);
    EXPECT_GT(t.rolled_back, 0u);
    EXPECT_GT(t.cancelled, 0u);
    EXPECT_GT(t.crashes, 0u);
}

INSTANTIATE_TEST_SUITE_P(On, Random, ::testing::ValuesIn(backends()), [](auto const& on) { return on.param.name; });

}  // namespace
