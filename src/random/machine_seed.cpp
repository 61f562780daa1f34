#include <weft/detail/machine_seed.hpp>

#include <random>

namespace weft {
inline namespace v0 {

std::uint64_t detail::machine_seed()
{
    std::random_device device;
    return static_cast<std::uint64_t>(device()) << 32 | device();
}

}  // namespace v0
}  // namespace weft
