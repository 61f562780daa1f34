// Which seeds a random test runs, and how a red one is repeated:
//   WEFT_SEED=4711 ./simulation_tests --gtest_filter=*Random*        this one
//   WEFT_FROM=5000 WEFT_SEEDS=20000 …                                from 5000 (1 if not said) to 20000
//   WEFT_FRESH=60 …                                                  for 60 seconds, from a number that nobody has had yet
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace simulation {

struct seeds_run
{
    std::uint64_t first = 0, last = 0, count = 0;
    int           failed = 0;
    bool          only_one = false;  // somebody looks at it: nothing can be said of the whole
};

// Runs them, in order; stops after the third that fails. `usual` is how many where nothing is said.
seeds_run run_seeds(std::uint64_t usual, std::function<void(std::uint64_t)> const& simulate);

}  // namespace simulation
