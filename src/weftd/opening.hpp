// Opens the store that the configuration names.
#pragma once

#include "src/weftd/configuration.hpp"

#include <weft/open_store.hpp>

#include <memory>

namespace weftd {

// Errors: those of weft::open_store; but std::runtime_error, which names the option to say, for a store that is found elsewhere than where it lived.
std::unique_ptr<weft::store> open_store(configuration const&, weft::store_options = {});

}  // namespace weftd
