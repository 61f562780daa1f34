// Random programs: what a workflow does, and how reliably its participants answer. The dice decide.
#pragma once

#include "tests/simulation/bank.hpp"

#include <weft/testing/environment.hpp>
#include <weft/workflow.hpp>

#include <boost/describe.hpp>

#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace simulation {

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

program random_program(dice& d);

// The workflow that does it. Its branches are "step-1", "saga-2", …
weft::workflow<std::int64_t> play(weft::context& wf, bank& b, program p);

// Engines and their peers as they come.
weft::testing::environment_options random_options(dice& d, std::uint64_t seed);

// Participants that answer late, twice, never, or no.
void make_unreliable(weft::testing::environment& env, dice& d);

// All of it: adds "play" with participants that cannot be relied upon, starts an engine, and plants its crashes.
void prepare_to_play(weft::testing::environment& env, bank& b, dice& d);

}  // namespace simulation
