// Certificates and keys: whether they are there, can be read, and belong together.
#pragma once

#include "src/weftd/configuration.hpp"

namespace weftd {

// Errors: bad_configuration naming the key, where that was said, and the file.
void check_certificates(loaded_configuration const&);

}  // namespace weftd
