#include "src/server/short_uuid.hpp"

#include <weft/detail/machine_seed.hpp>

#include <cstdint>
#include <string_view>

namespace weft {
inline namespace v0 {
namespace server_detail {

std::string short_uuid()
{
    constexpr std::string_view alphabet = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    static_assert(alphabet.size() == 57);
    std::uint64_t const high = (detail::machine_seed() & ~std::uint64_t(0xf000)) | 0x4000;
    std::uint64_t const low = (detail::machine_seed() & ~(std::uint64_t(3) << 62)) | (std::uint64_t(1) << 63);
    // Division of 128 bits, 32 at a time.
    std::uint64_t digits[] = {high >> 32, high & 0xffffffff, low >> 32, low & 0xffffffff};
    std::string   text(22, alphabet[0]);
    for (auto at = text.rbegin(); at != text.rend(); ++at)
    {
        std::uint64_t rest = 0;
        for (auto& d : digits)
        {
            auto const whole = (rest << 32) | d;
            d = whole / alphabet.size();
            rest = whole % alphabet.size();
        }
        *at = alphabet[rest];
    }
    return text;
}

}  // namespace server_detail
}  // namespace v0
}  // namespace weft
