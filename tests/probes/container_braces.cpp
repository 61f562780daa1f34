// A container built with braces inside a co_await expression: g++ 12 refuses it ("array used as initializer").
// Refused is harmless, so no rule is needed; the test (CMakeLists.txt) notices when it starts to compile, because then
// somebody has to look whether it also runs right.

#include "probe.hpp"

#include <vector>

probe::task<int> size_of(std::vector<int> v) { co_return static_cast<int>(v.size()); }

probe::task<int> braces() { co_return co_await size_of(std::vector<int>{1, 2, 3}); }
