// What values must have to do with each other.
#pragma once

#include "src/weftd/configuration.hpp"

namespace weftd {

// Adds what is wrong to `problems`; reads the tokens' file; warns.
void check_rules(loaded_configuration&, surroundings const&, std::vector<std::string>& problems);

}  // namespace weftd
