// Whatever a client sends is read, or refused as malformed in words that can be answered: no crash, no other exception, no hang. What was read
// keeps the promises that the rest of the server counts on.
//
// An input is the address, a line end, and the body.
#include "src/server/envelope.hpp"
#include "src/server/query.hpp"
#include "src/server/request_body.hpp"
#include "src/server/rpc_request.hpp"

#include <weft/detail/codec.hpp>

#include <boost/json/parse.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <iostream>

namespace {

using namespace weft::server_detail;

[[noreturn]] void fail(char const* what)
{
    std::cerr << "fuzz/request: " << what << '\n';
    std::abort();
}

void expect(bool so, char const* what)
{
    if (!so)
        fail(what);
}

void expect_words(std::string const& why)
{
    expect(!why.empty(), "refused without a reason");
    auto const body = boost::json::parse(message(500, why).body);
    expect(std::string_view(body.at("message").as_string()) == why, "a reason that its answer changes");
}

template <class F>
void unless_malformed(F f)
{
    try
    {
        f();
    }
    catch (malformed const& e)
    {
        expect_words(e.what());
    }
}

bool is_text(std::string const& t) { return t.find('\0') == std::string::npos && weft::detail::is_utf8(t); }

void check_gid(std::string const& gid, entry from)
{
    expect(!gid.empty() && is_text(gid), "a gid that is none");
    expect(from != entry::http || gid.find_first_of("\r\n;") == std::string::npos, "a gid with line ends or semicolons");
}

void check(transaction_request const& r, entry from)
{
    check_gid(r.t.gid, from);
    for (auto const& t : {r.t.trans_type, r.t.query_prepared, r.t.protocol, r.t.custom_data, r.final_status, r.final_result})
        expect(is_text(t), "a text that is none");
    for (auto const& s : r.t.steps)
        expect(is_text(s.action) && is_text(s.compensate), "an address that is none");
    if (!r.t.options.empty())
        expect(boost::json::parse(r.t.options).is_object(), "options that are no object");
}

void check(branch_request const& r, entry from)
{
    check_gid(r.gid, from);
    expect(!r.ops.empty(), "a branch without operations");
    for (auto const& o : r.ops)
        expect(!o.branch_id.empty() && !o.op.empty() && is_text(o.branch_id) && is_text(o.op) && is_text(o.url),
               "an operation that is none");
}

void read_address(std::string_view address)
{
    auto const mark = std::min(address.find('?'), address.size());
    unless_malformed([&] { expect(is_text(read_path(address.substr(0, mark))), "a path that is no text"); });
    unless_malformed([&] {
        auto const q = read_query(address.substr(std::min(mark + 1, address.size())));
        expect(is_text(q.text("gid")) && is_text(q.text("topic")), "a parameter that is no text");
        expect(q.number("limit", 100, 1) >= 1, "a number that is less than the least");
        expect(q.number("position", 0, 0) >= 0, "a number that is less than the least");
    });
}

void read_object(boost::json::object const& o, entry from)
{
    unless_malformed([&] { check(read_transaction(o, from), from); });
    unless_malformed([&] { check(read_submission(o, from), from); });
    unless_malformed([&] { check(read_reference(o, from), from); });
    unless_malformed([&] { check(read_branch(o, from), from); });
}

void read_body(std::string_view body)
{
    unless_malformed([&] { read_object(parse_object(body), entry::http); });
    rpc_request r;
    try
    {
        read_rpc(r, body);
        expect(r.id.is_string(), "an id that is no text");
        read_object(r.named_params(), entry::json_rpc);
    }
    catch (rpc_refusal const& no)
    {
        expect_words(no.why);
        expect(r.id.is_null() || r.id.is_string(), "an id that is no text");
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size)
{
    std::string_view const all(reinterpret_cast<char const*>(data), size);
    auto const             line = std::min(all.find('\n'), all.size());
    read_address(all.substr(0, line));
    read_body(all.substr(std::min(line + 1, all.size())));
    return 0;
}
