#include "src/server/rate_limit.hpp"

#include <algorithm>

namespace weft {
inline namespace v0 {
namespace server_detail {

boost::asio::ip::address client_of(boost::asio::ip::address const& address)
{
    namespace ip = boost::asio::ip;
    if (!address.is_v6())
        return address;
    auto const six = address.to_v6();
    if (six.is_v4_mapped())
        return ip::make_address_v4(ip::v4_mapped, six);
    auto bytes = six.to_bytes();
    if (!six.is_loopback())
        std::fill(bytes.begin() + 8, bytes.end(), 0);
    return ip::address_v6(bytes);
}

bool rate_limit::allows(boost::asio::ip::address const& who)
{
    constexpr std::size_t enough = 100'000;  // addresses
    if (per_second_ <= 0)
        return true;
    auto const       full = std::max(1.0, per_second_);
    auto const       now = time_->since_boot();
    std::scoped_lock lock(mutex_);
    auto const       filled = [&](bucket const& b) {
        return std::min(full, b.left + std::chrono::duration<double>(now - b.at).count() * per_second_);
    };
    if (buckets_.size() >= enough)
        std::erase_if(buckets_, [&](auto const& b) { return filled(b.second) >= full; });
    if (buckets_.size() >= enough && !buckets_.contains(who))
        return false;
    auto& b = buckets_.try_emplace(who, bucket{full, now}).first->second;
    b.left = filled(b);
    b.at = now;
    if (b.left < 1)
        return false;
    b.left -= 1;
    return true;
}

}  // namespace server_detail
}  // namespace v0
}  // namespace weft
