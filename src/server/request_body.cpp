#include "src/server/request_body.hpp"

#include "src/server/envelope.hpp"

#include <weft/detail/ascii.hpp>

#include <boost/json/serialize.hpp>
#include <boost/json/stream_parser.hpp>

#include <algorithm>

namespace weft {
inline namespace v0 {
namespace server_detail {

namespace {

[[noreturn]] void is_no(std::string const& what, char const* wanted) { throw malformed(what + " is no " + wanted); }

char const* kind_of(boost::json::value const& v)
{
    switch (v.kind())
    {
    case boost::json::kind::object:
        return "an object";
    case boost::json::kind::array:
        return "an array";
    case boost::json::kind::string:
        return "a text";
    case boost::json::kind::bool_:
        return "true or false";
    case boost::json::kind::null:
        return "null";
    default:
        return "a number";
    }
}

[[noreturn]] void wrong_type(std::string const& what, boost::json::value const& v, char const* wanted)
{
    throw malformed(what + " is " + kind_of(v) + " and has to be " + wanted);
}

std::string text_of(boost::json::value const& v, std::string const& what)
{
    if (!v.is_string())
        wrong_type(what, v, "a text");
    return std::string(v.as_string());
}

std::string without_nul(std::string text, std::string const& what)
{
    if (text.find('\0') != std::string::npos)
        throw malformed(what + " contains a NUL character");
    return text;
}

std::string gid_of(fields const& f, entry from)
{
    auto gid = f.text("gid");
    if (from == entry::http)
        std::erase_if(gid, [](char c) { return c == '\n' || c == '\r' || c == ';'; });
    if (gid.empty())
        throw malformed("gid is missing or empty");
    return gid;
}

std::string trans_type_of(fields const& f)
{
    auto type = f.text("trans_type");
    if (type.empty())
        throw malformed("trans_type is missing or empty");
    return type;
}

boost::json::array const* array_of(fields const& f, char const* name)
{
    auto const* const v = f.find(name);
    if (v && !v->is_array())
        wrong_type(name, *v, "an array");
    return v ? &v->get_array() : nullptr;
}

std::vector<global_transaction::step> steps_of(fields const& f)
{
    std::vector<global_transaction::step> steps;
    auto const* const                     all = array_of(f, "steps");
    if (!all)
        return steps;
    auto const* const payloads = array_of(f, "payloads");
    for (std::size_t i = 0; i < all->size(); ++i)
    {
        auto const where = "steps[" + std::to_string(i) + ']';
        if (!(*all)[i].is_object())
            wrong_type(where, (*all)[i], "an object");
        fields const step((*all)[i].get_object(), where);
        auto&        s = steps.emplace_back();
        s.action = step.text("action");
        s.compensate = step.text("compensate");
        auto const what = "payloads[" + std::to_string(i) + ']';
        if (payloads && i < payloads->size())
            s.payload = (*payloads)[i].is_null() ? std::string() : text_of((*payloads)[i], what);
        else if (step.find("data"))
            s.payload = step.bytes("data");  // old clients
        else
            throw malformed(what + " is missing: each step has a payload, which is a text");
    }
    return steps;
}

// The options as dtm writes them into their column: what was given, and `concurrent`.
std::string options_of(fields const& f, bool wait_result, bool& given)
{
    boost::json::object o;
    if (wait_result)
        o["wait_result"] = true;
    for (auto const* name : {"timeout_to_fail", "request_timeout", "retry_interval"})
        if (auto const n = f.number(name); n && *n != 0)
        {
            if (*n < 0 || *n > 1'000'000'000)
                is_no(name, "number of seconds that could be meant");
            o[name] = *n;
            given = true;
        }
    if (auto const headers = f.texts("branch_headers"); !headers.empty())
    {
        auto& all = o["branch_headers"].emplace_object();
        for (auto const& [name, value] : headers)
            all[name] = value;
        given = true;
    }
    bool const concurrent = f.flag("concurrent");
    o["concurrent"] = concurrent;
    given = given || concurrent;
    if (auto const n = f.number("retry_limit"); n && *n != 0)
    {
        if (*n < 0 || *n > 1'000'000'000)
            is_no("retry_limit", "count that could be meant");
        o["retry_limit"] = *n;
        given = true;
    }
    f.number("retry_count");  // taken, and of no effect
    return boost::json::serialize(o);
}

void read_extra(transaction_request& r, fields const& f)
{
    auto const* const extra = f.find("req_extra");
    if (!extra)
        return;
    if (!extra->is_object())
        wrong_type("req_extra", *extra, "an object");
    fields const x(extra->get_object(), "req_extra");
    r.final_status = x.text("status");
    r.final_reason = x.bytes("rollback_reason");
    r.final_result = x.text("result");
}

}  // namespace

boost::json::object parse_object(std::string_view body)
{
    if (body.find_first_not_of(" \t\r\n") == std::string_view::npos)
        throw malformed("the body is empty and has to be a JSON object");
    boost::json::stream_parser parser;
    boost::system::error_code  failed;
    auto const                 at = parser.write_some(body.data(), body.size(), failed);
    if (!failed && !parser.done())
        throw malformed("the body is no JSON: it ends too early, after " + std::to_string(body.size()) + " bytes");
    if (failed || body.find_first_not_of(" \t\r\n", at) != std::string_view::npos)
        throw malformed("the body is no JSON: " + (failed ? failed.message() : std::string("something follows")) + " at byte " +
                        std::to_string(at));
    auto v = parser.release();
    if (!v.is_object())
        wrong_type("the body", v, "an object");
    return std::move(v.get_object());
}

boost::json::value const* fields::find(std::string_view name) const
{
    boost::json::value const* found = object_.if_contains(name);
    for (auto m = object_.begin(); !found && m != object_.end(); ++m)
        if (detail::same_whatever_case(std::string_view(m->key()), name))
            found = &m->value();
    return found && !found->is_null() ? found : nullptr;
}

std::string fields::bytes(std::string_view name) const
{
    auto const* const v = find(name);
    return v ? text_of(*v, path(name)) : std::string();
}

std::string fields::text(std::string_view name) const { return without_nul(bytes(name), path(name)); }

std::optional<std::int64_t> fields::number(std::string_view name) const
{
    auto const* const v = find(name);
    if (!v)
        return std::nullopt;
    if (!v->is_number())
        wrong_type(path(name), *v, "a whole number");
    boost::system::error_code failed;
    auto const                n = v->to_number<std::int64_t>(failed);
    if (failed || v->is_double())
        is_no(path(name), "whole number");
    return n;
}

bool fields::flag(std::string_view name) const
{
    auto const* const v = find(name);
    if (v && !v->is_bool())
        wrong_type(path(name), *v, "true or false");
    return v && v->get_bool();
}

std::map<std::string, std::string> fields::texts(std::string_view name) const
{
    std::map<std::string, std::string> all;
    auto const* const                  v = find(name);
    if (!v)
        return all;
    if (!v->is_object())
        wrong_type(path(name), *v, "an object of texts");
    for (auto const& m : v->get_object())
    {
        auto const what = path(name) + '.' + std::string(m.key());
        all[std::string(m.key())] = m.value().is_null() ? std::string() : without_nul(text_of(m.value(), what), what);
    }
    return all;
}

transaction_request read_reference(boost::json::object const& body, entry from)
{
    fields const        f(body);
    transaction_request r;
    r.t.gid = gid_of(f, from);
    r.t.trans_type = f.text("trans_type");
    r.wait_result = f.flag("wait_result");
    r.rollback_reason = f.bytes("rollback_reason");
    read_extra(r, f);
    return r;
}

transaction_request read_transaction(boost::json::object const& body, entry from)
{
    fields const f(body);
    auto         r = read_reference(body, from);
    r.t.trans_type = trans_type_of(f);
    r.t.query_prepared = f.text("query_prepared");
    r.t.custom_data = f.text("custom_data");
    r.t.protocol = f.text("protocol");
    if (r.t.protocol.empty())
        r.t.protocol = "http";
    if (r.t.protocol != "http" && r.t.protocol != "json-rpc" && r.t.protocol != "grpc")
        throw malformed("protocol is \"" + r.t.protocol + "\" and has to be http, json-rpc or grpc");
    if (r.t.trans_type == "saga" || r.t.trans_type == "msg")
        r.t.steps = steps_of(f);
    bool given = false;
    r.t.options = options_of(f, r.wait_result, given);
    r.options_given = given;
    return r;
}

transaction_request read_submission(boost::json::object const& body, entry from)
{
    return fields(body).text("trans_type") == "workflow" ? read_reference(body, from) : read_transaction(body, from);
}

branch_request read_branch(boost::json::object const& body, entry from)
{
    for (auto const& m : body)
        if (!m.value().is_string() && !m.value().is_null())
            wrong_type(std::string(m.key()), m.value(), "a text");
    fields const   f(body);
    branch_request r;
    r.gid = gid_of(f, from);
    r.trans_type = trans_type_of(f);
    auto const id = f.text("branch_id");
    if (id.empty())
        throw malformed("branch_id is missing or empty");
    auto const add = [&](std::string op, std::string url, std::string data) -> branch_op& {
        auto& row = r.ops.emplace_back();
        row.branch_id = id;
        row.op = std::move(op);
        row.url = std::move(url);
        row.data = std::move(data);
        return row;
    };
    if (r.trans_type == "tcc")
    {
        add("cancel", f.text("cancel"), f.bytes("data"));
        add("confirm", f.text("confirm"), f.bytes("data"));
    }
    else if (r.trans_type == "xa")
    {
        add("rollback", f.text("url"), {});
        add("commit", f.text("url"), {});
    }
    else if (r.trans_type == "workflow")
    {
        auto const op = f.text("op");
        if (op.empty())
            throw malformed("op is missing or empty");
        auto const status = status_from(f.text("status"));
        if (!status || !is_final(*status))
            throw malformed("status is \"" + f.text("status") + "\" and has to be succeed or failed");
        add(op, {}, f.bytes("data")).status = *status;
    }
    else
        throw malformed("unknow trans type: " + r.trans_type);
    return r;
}

}  // namespace server_detail
}  // namespace v0
}  // namespace weft
