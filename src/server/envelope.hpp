// How dtm's server answers: words and status codes.
#pragma once

#include <weft/errors.hpp>

#include <boost/json/value.hpp>

#include <exception>
#include <optional>
#include <stdexcept>
#include <string>

namespace weft {
inline namespace v0 {
namespace server_detail {

struct answer
{
    unsigned    status = 200;
    std::string body;
    std::string content_type = "application/json; charset=utf-8";
    std::string allow{};  // with 405: the methods that there are
};

// What arrived cannot be read. The message says what and where.
struct malformed : std::runtime_error
{
    using std::runtime_error::runtime_error;
};

// Something went wrong, in the three words that clients know.
struct problem
{
    enum class kind
    {
        failure,
        ongoing,
        other
    };
    kind        what = kind::other;
    std::string text;

    std::optional<known> written{};  // of what was asked for, where that can be told
};
problem problem_of(std::exception_ptr error);

// As Go writes JSON: `<`, `>`, `&` and the two line separators escaped.
std::string json_text(boost::json::value const& v);

// Null: there is nothing to say but that it is well.
answer well(boost::json::value const& result);
answer wrong(problem const& p);
answer message(unsigned status, std::string const& text);
answer plain(unsigned status, std::string text);

}  // namespace server_detail
}  // namespace v0
}  // namespace weft
