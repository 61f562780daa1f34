// `order show`: one order's journal as a story.
#pragma once

#include <weft/store.hpp>

#include <iosfwd>

void print_timeline(std::ostream&, weft::transaction const&);
