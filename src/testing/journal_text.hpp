// A journal as a reader without the engine sees it: the checks of the test kit must not share the engine's mistakes.
#pragma once

#include <weft/store.hpp>

#include <string>

namespace weft {
inline namespace v0 {
namespace testing {

// What is wrong with the row's journal; empty if nothing is.
std::string wrong_with_journal(transaction const& row);

}  // namespace testing
}  // namespace v0
}  // namespace weft
