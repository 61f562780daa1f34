// Removes all transactions and topics from a store.
#pragma once

#include "src/weftd/configuration.hpp"

#include <iosfwd>

namespace weftd {

// Says what is there and, with `yes`, removes it; false: it did not. Errors: what the store has.
bool reset(configuration const&, bool yes, std::ostream& out);

}  // namespace weftd
