// The barrier of a request over HTTP: its identity stands in the query.
#include <weft/barrier.hpp>
#include <weft/errors.hpp>

#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

namespace weft {
inline namespace v0 {

namespace {

[[noreturn]] void refuse(std::string const& what) { throw misuse(misuse::code::wrong_call, "the barrier's query " + what); }

std::string parameter(boost::urls::params_encoded_view const& query, std::string_view name)
{
    auto const n = query.count(name);
    if (n != 1)
        refuse((n == 0 ? "has no " : "has more than one ") + std::string(name));
    auto value = std::string();
    for (auto const& p : query)
        if (p.key == name)
        {
            boost::urls::encoding_opts plus;
            plus.space_as_plus = true;  // as browsers and Go write it
            p.value.decode(plus, boost::urls::string_token::assign_to(value));
        }
    return value;
}

}  // namespace

barrier barrier::from_query(std::string_view query, barrier_options options)
{
    query = query.substr(0, query.find('#'));
    if (auto const mark = query.find('?'); mark != std::string_view::npos)
        query.remove_prefix(mark + 1);
    // As a whole reference, in a text of its own: parse_query of Boost 1.81 reads beyond the end of a view.
    auto const reference = '?' + std::string(query);
    auto const url = boost::urls::parse_relative_ref(reference);
    if (!url)
        refuse("is no query of a URL");
    auto const parsed = url->encoded_params();
    auto const op = operation_from(parameter(parsed, "op"));
    if (!op)
        refuse("has an op that is none of action, compensate, try, confirm, cancel, commit, rollback");
    branch where;
    where.gid = parameter(parsed, "gid");
    where.id = parameter(parsed, "branch_id");
    where.op = *op;
    options.trans_type = parameter(parsed, "trans_type");
    return barrier(where, std::move(options));
}

}  // namespace v0
}  // namespace weft
