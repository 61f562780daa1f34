// What the crash sweep does to the bank: every kind of workflow, and every way it can go. Any store can run them.
#pragma once

#include "tests/simulation/bank.hpp"

#include <weft/testing/environment.hpp>

#include <functional>
#include <iosfwd>
#include <string>
#include <vector>

namespace simulation {

struct scenario
{
    using world = bank;

    std::string                                             name;
    std::function<void(weft::testing::environment&, bank&)> arrange;
    std::function<void(weft::testing::environment&, bank&)> act;
    weft::status                                            ends_as = weft::status::succeed;
    bool                                                    either = false;  // or rolled back: it depends on the crash
    std::function<void(weft::engine_options&)>              options = [](weft::engine_options&) {};
};

std::vector<scenario> const& scenarios();

// A store to run them on. The place to add another.
struct backend
{
    std::string                                                               name;
    std::function<std::unique_ptr<weft::store>(std::shared_ptr<weft::clock>)> open;
};
std::vector<backend> const& backends();
std::vector<backend> const& server_backends();
backend const&              coordinator_backend();

// For the names of parameterised tests.
std::ostream& operator<<(std::ostream&, scenario const&);
std::ostream& operator<<(std::ostream&, backend const&);

}  // namespace simulation
