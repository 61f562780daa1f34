// The words that are persisted, logged and shown. Stored databases hold them: do not rename.
#include <weft/branch.hpp>
#include <weft/detail/branch_call.hpp>
#include <weft/errors.hpp>
#include <weft/store.hpp>

namespace weft {
inline namespace v0 {

std::string_view to_string(operation op) noexcept
{
    switch (op)
    {
    case operation::action:
        return "action";
    case operation::compensate:
        return "compensate";
    case operation::try_:
        return "try";
    case operation::confirm:
        return "confirm";
    case operation::cancel:
        return "cancel";
    case operation::commit:
        return "commit";
    case operation::rollback:
        return "rollback";
    }
    return "?";
}

std::string_view to_string(known written) noexcept
{
    switch (written)
    {
    case known::applied:
        return "applied";
    case known::not_written:
        return "not_written";
    case known::in_doubt:
        break;
    }
    return "in_doubt";
}

std::optional<operation> operation_from(std::string_view text) noexcept
{
    for (auto op : {operation::action, operation::compensate, operation::try_, operation::confirm, operation::cancel, operation::commit,
                    operation::rollback})
        if (to_string(op) == text)
            return op;
    return std::nullopt;
}

std::string_view to_string(status s) noexcept
{
    switch (s)
    {
    case status::prepared:
        return "prepared";
    case status::submitted:
        return "submitted";
    case status::aborting:
        return "aborting";
    case status::succeed:
        return "succeed";
    case status::failed:
        return "failed";
    }
    return "?";
}

std::string type_mismatch(std::string_view wanted, std::string_view trans_type, std::string_view workflow)
{
    if (!workflow.empty())
        return "it is a workflow that runs here";
    return wanted.empty() || wanted == trans_type ? std::string() : "it is of type '" + std::string(trans_type) + '\'';
}

std::vector<transaction> store::settled(std::span<std::string const> gids)
{
    std::vector<transaction> rows;
    for (auto const& gid : gids)
        if (auto row = find(gid, false); row && is_settled(*row))
            rows.push_back(std::move(*row));
    return rows;
}

std::optional<transaction> store::create_within(std::any const&, create_write const&)
{
    throw misuse(misuse::code::wrong_call, "this store has no transactions that a caller could share: " + describe());
}

std::optional<status> status_from(std::string_view text) noexcept
{
    for (auto s : {status::prepared, status::submitted, status::aborting, status::succeed, status::failed})
        if (to_string(s) == text)
            return s;
    return std::nullopt;
}

std::string_view detail::to_string(verb v) noexcept
{
    switch (v)
    {
    case verb::step:
        return "step";
    case verb::saga:
        return "saga";
    case verb::tcc:
        return "tcc";
    case verb::xa:
        return "xa";
    }
    return "?";
}

}  // namespace v0
}  // namespace weft
