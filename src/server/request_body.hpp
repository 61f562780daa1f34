// What clients send, read as Go's server reads it: names in any case, null for nothing, whatever nobody knows passed over. What is read is
// listed here, one by one: nothing else of a request reaches a row.
#pragma once

#include <weft/transaction_manager.hpp>

#include <boost/json/object.hpp>

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weft {
inline namespace v0 {
namespace server_detail {

// Throws malformed, as everything here does: "what it is, and what it should be".
boost::json::object parse_object(std::string_view body);

// The members of an object. `where`: how messages call it, such as "steps[1]"; empty for the body itself.
class fields
{
public:
    explicit fields(boost::json::object const& o, std::string where = {}) : object_(o), where_(std::move(where)) { }

    // Null if it is not there, or is null itself.
    boost::json::value const* find(std::string_view name) const;

    std::string                        text(std::string_view name) const;   // without NUL; "" if it is not there
    std::string                        bytes(std::string_view name) const;  // any text
    std::optional<std::int64_t>        number(std::string_view name) const;
    bool                               flag(std::string_view name) const;
    std::map<std::string, std::string> texts(std::string_view name) const;  // an object of texts

    // "steps[1].action"
    std::string path(std::string_view name) const { return where_.empty() ? std::string(name) : where_ + '.' + std::string(name); }

private:
    boost::json::object const& object_;
    std::string                where_;
};

// Over HTTP gid and status come without line ends and semicolons, whatever was sent.
enum class entry
{
    http,
    json_rpc
};

struct transaction_request
{
    global_transaction t;
    bool               wait_result = false;
    bool               options_given = false;  // any of them but wait_result
    std::string        rollback_reason;

    // req_extra: how a workflow that runs elsewhere has ended
    std::string final_status, final_reason, final_result;
};
transaction_request read_transaction(boost::json::object const& body, entry from);

// For submit: a workflow's says how it ended, and needs nothing else.
transaction_request read_submission(boost::json::object const& body, entry from);

// Only gid, trans_type and what says how it ended: for routes that need no steps.
transaction_request read_reference(boost::json::object const& body, entry from);

struct branch_request
{
    std::string            gid, trans_type;
    std::vector<branch_op> ops;
};
branch_request read_branch(boost::json::object const& body, entry from);

}  // namespace server_detail
}  // namespace v0
}  // namespace weft
