// What clients ask for, whatever they speak: dtm's verbs, from a request that has been read to what is answered. A problem is thrown.
#pragma once

#include "src/server/request_body.hpp"

#include <weft/transaction_manager.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/json/object.hpp>

#include <chrono>
#include <string>

namespace weft {
inline namespace v0 {
namespace server_detail {

class verbs
{
public:
    // Times are shown `utc_offset` from UTC.
    verbs(transaction_manager& manager, std::chrono::minutes utc_offset) : manager_(manager), utc_offset_(utc_offset) { }

    boost::asio::awaitable<void>                prepare(transaction_request r);
    boost::asio::awaitable<void>                submit(transaction_request r);
    boost::asio::awaitable<void>                abort(transaction_request r);
    boost::asio::awaitable<void>                register_branch(branch_request r);
    boost::asio::awaitable<boost::json::object> prepare_workflow(transaction_request r);

private:
    boost::asio::awaitable<global_transaction> addressed(global_transaction t);
    boost::asio::awaitable<void>               finish_workflow(transaction_request r);
    boost::asio::awaitable<void>               cancel_workflow(std::string gid);

    transaction_manager& manager_;
    std::chrono::minutes utc_offset_;
};

}  // namespace server_detail
}  // namespace v0
}  // namespace weft
