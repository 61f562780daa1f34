// `order list`: transactions, one a line.
#pragma once

#include <weft/store.hpp>

#include <iosfwd>
#include <vector>

void print_list(std::ostream&, std::vector<weft::transaction> const&);
