// Rows as clients see them: dtm's names.
#pragma once

#include <weft/store.hpp>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <vector>

namespace weft {
inline namespace v0 {
namespace server_detail {

boost::json::object json_of(transaction const& t);
boost::json::array  branches_of(transaction const& t);
boost::json::array  json_of(std::vector<kv_row> const& rows);

}  // namespace server_detail
}  // namespace v0
}  // namespace weft
