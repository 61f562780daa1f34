#pragma once

namespace weft {
inline namespace v0 {
namespace server_detail {

// docs/openapi.json
extern char const* const openapi_text;

}  // namespace server_detail
}  // namespace v0
}  // namespace weft
