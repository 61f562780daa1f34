// Topics: a name, and the addresses that want its messages. Kept in the table kv as dtm keeps them, and read from there each time: what one
// server subscribes, the next message of another one finds.
#pragma once

#include <weft/store.hpp>
#include <weft/transaction_manager.hpp>

#include <string>
#include <vector>

namespace weft {
inline namespace v0 {
namespace server_detail {

inline constexpr char const* topics_category = "topics";

// Blocking. Errors, of all: std::runtime_error saying what does not fit; store_error.
void subscribe(store& s, std::string const& topic, std::string const& url, std::string const& remark);
void unsubscribe(store& s, std::string const& topic, std::string const& url);
void remove_topic(store& s, std::string const& topic);

bool mentions_topics(global_transaction const& t);

// Puts the subscribers in the place of each "topic://NAME".
global_transaction with_subscribers(store& s, global_transaction t);

}  // namespace server_detail
}  // namespace v0
}  // namespace weft
