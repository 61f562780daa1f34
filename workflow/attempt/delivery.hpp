// One send of an operation, from when it leaves until it has answered.
#pragma once

#include "workflow/runtime/answer_gate.hpp"
#include "workflow/runtime/limiter.hpp"

#include <weft/detail/branch_call.hpp>
#include <weft/operation.hpp>

#include <memory>
#include <mutex>
#include <string>

namespace weft {
inline namespace v0 {
namespace detail {

class attempt_host;
class outgoing;

class delivery final : public performance
{
public:
    // Of a branch that is called: it is kept, with its arguments.
    delivery(std::shared_ptr<answer_gate> gate, boost::intrusive_ptr<branch_call> call)
        : gate_(std::move(gate))
        , call_(std::move(call))
        , headers_(call_->headers)
    { }

    // Of an operation that is data.
    delivery(std::shared_ptr<answer_gate> gate, std::shared_ptr<http_headers const> headers)
        : gate_(std::move(gate))
        , headers_(std::move(headers))
    { }

    boost::asio::any_io_executor     executor() const override;
    std::shared_ptr<weft::transport> transport() const override;
    http_headers const*              headers() const noexcept override { return headers_.get(); }
    void                             answer(outcome o, bool permanent) noexcept override;

    outgoing*    waiting = nullptr;  // strand only, or while the engine goes; null once nobody waits for it any more
    class permit permit;             // where its branch is limited: until it has returned
    std::string  thrown;             // by the operation, when it was started

private:
    std::shared_ptr<answer_gate>        gate_;
    boost::intrusive_ptr<branch_call>   call_;
    std::shared_ptr<http_headers const> headers_;
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
