/// \file
/// Operations that are data: an address and a payload, as branches of dtm's patterns have them. `make_http_caller` in <weft/http.hpp> performs
/// those over HTTP.
#pragma once

#include <weft/operation.hpp>

#include <chrono>
#include <memory>
#include <string>

namespace weft {
inline namespace v0 {

struct remote_operation
{
    std::string               trans_type;  ///< "saga", "tcc", "xa", "msg", "workflow"
    std::string               protocol;    ///< of the transaction: "http", "json-rpc", "grpc"; empty: http
    std::string               op;          ///< "action", …; "msg" for a check-back; a workflow's name for its callback
    std::string               url;
    std::string               payload;     ///< bytes
    std::chrono::milliseconds timeout{0};  ///< 0: the caller's own
};

/// Performs remote operations. Thread safety: called on the engine's strand; must not block.
class remote_caller
{
public:
    virtual ~remote_caller() = default;

    /// Answers `to` once; `to.where()` has gid and branch id, `to.headers()` what the transaction's client wants to be sent along.
    /// An outcome of success carries no text.
    virtual void start(remote_operation const& operation, operation_call to) = 0;

    /// Asked when a transaction is submitted or a branch registered, on the same strand: what could never be performed is refused then. Of a branch
    /// that is registered the protocol is not known here, and empty.
    /// Errors: misuse that says what is wrong with the address, or with the payload for it.
    virtual void check(remote_operation const&) const { }
};

}  // namespace v0
}  // namespace weft
