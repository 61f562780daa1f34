#include "tests/simulation/play.hpp"

#include <array>

namespace simulation {

using namespace std::chrono_literals;
using weft::testing::environment;
using weft::testing::environment_options;

namespace {

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

}  // namespace

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

program random_program(dice& d)
{
    program p;
    for (auto n = 1 + d.below(6); n > 0; --n)
        p.moves.push_back({static_cast<int>(d.below(4)), std::string(1, static_cast<char>('a' + d.below(3))),
                           static_cast<std::int64_t>(1 + d.below(4'000)), d.chance(25)});
    p.fails = d.chance(25);
    return p;
}

environment_options random_options(dice& d, std::uint64_t seed)
{
    environment_options options;
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
    return options;
}

void make_unreliable(environment& env, dice& d)
{
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
}

void prepare_to_play(environment& env, bank& b, dice& d)
{
    env.add("play", &play, std::ref(b));
    make_unreliable(env, d);
    env.engine();
    env.settle();
    for (auto n = d.below(5); n > 0; --n)
    {
        // Two statements: the order in which arguments are evaluated differs between compilers.
        auto const mode = static_cast<environment::crash_mode>(1 + d.below(4));
        env.plant_crash(1 + d.below(50), mode);
    }
}

}  // namespace simulation
