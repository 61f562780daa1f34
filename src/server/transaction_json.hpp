// Rows as clients see them: dtm's names. Times are shown `utc_offset` from UTC.
#pragma once

#include <weft/store.hpp>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <chrono>
#include <vector>

namespace weft {
inline namespace v0 {
namespace server_detail {

boost::json::object json_of(transaction const& t, std::chrono::minutes utc_offset);
boost::json::array  branches_of(transaction const& t, std::chrono::minutes utc_offset);
boost::json::array  json_of(std::vector<kv_row> const& rows, std::chrono::minutes utc_offset);

}  // namespace server_detail
}  // namespace v0
}  // namespace weft
