// The same verbs as JSON-RPC 2.0, with dtm's two codes of its own.
#pragma once

#include "src/server/body_budget.hpp"
#include "src/server/envelope.hpp"
#include "src/server/verbs.hpp"

namespace weft {
inline namespace v0 {
namespace server_detail {

boost::asio::awaitable<answer> answer_json_rpc(verbs& to, held_body body);

}  // namespace server_detail
}  // namespace v0
}  // namespace weft
