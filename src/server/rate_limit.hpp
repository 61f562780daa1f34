// How many requests an address may make.
#pragma once

#include <weft/clock.hpp>

#include <boost/asio/ip/address.hpp>

#include <map>
#include <mutex>

namespace weft {
inline namespace v0 {
namespace server_detail {

// Whom an address stands for: who has an IPv6 network has all 2^64 of its addresses.
boost::asio::ip::address client_of(boost::asio::ip::address const& address);

// A bucket for each address, filled at a rate, and holding as many as one second brings. Thread safety: any thread.
class rate_limit
{
public:
    explicit rate_limit(double per_second) : per_second_(per_second) { }

    bool allows(boost::asio::ip::address const& who);

private:
    struct bucket
    {
        double                   left = 0;
        std::chrono::nanoseconds at{0};
    };

    double const                               per_second_;
    std::shared_ptr<clock>                     time_ = system_clock();
    std::mutex                                 mutex_;
    std::map<boost::asio::ip::address, bucket> buckets_;
};

}  // namespace server_detail
}  // namespace v0
}  // namespace weft
