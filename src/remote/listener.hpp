// Answers callbacks for programs that have no HTTP server of their own.
#pragma once

#include <weft/remote_engine.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <functional>
#include <memory>
#include <string>

namespace weft {
inline namespace v0 {
namespace remote_detail {

class listener
{
public:
    // Has the port when this returns. `place`: "127.0.0.1:8090", "[::1]:0". Errors: misuse if that is none, or cannot be had.
    listener(boost::asio::any_io_executor executor, std::string const& place);

    void start(std::function<callback_answer(std::string_view)> answer);

    // Closes all connections; what is under way there is answered no more. Any thread.
    void stop() noexcept;

    ~listener() { stop(); }
    listener(listener const&) = delete;
    listener& operator=(listener const&) = delete;

    unsigned short port() const noexcept;

private:
    struct impl;
    std::shared_ptr<impl> impl_;
};

}  // namespace remote_detail
}  // namespace v0
}  // namespace weft
