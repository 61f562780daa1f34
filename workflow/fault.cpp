#include <weft/detail/fault.hpp>

#ifdef WEFT_PLANTED_FAULTS
#include <atomic>

namespace weft {
inline namespace v0 {
namespace detail {

namespace {
std::atomic<planted> switched_on{planted::none};
}

void plant(planted p) noexcept { switched_on = p; }

bool fault(planted p) noexcept { return switched_on.load(std::memory_order_relaxed) == p; }

}  // namespace detail
}  // namespace v0
}  // namespace weft
#endif
