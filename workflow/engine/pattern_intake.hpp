// What clients ask for as data: transactions of dtm's patterns. What of it is taken, what is written for it,
// and the words in which it is refused.
#pragma once

#include "workflow/patterns/pattern.hpp"

#include <weft/remote.hpp>
#include <weft/store.hpp>
#include <weft/transaction_manager.hpp>

#include <exception>
#include <optional>
#include <string>
#include <vector>

namespace weft {
inline namespace v0 {
namespace detail {

class pattern_intake
{
public:
    // Null until there is a manager: no patterns here.
    std::shared_ptr<remote_caller> const& remote() const noexcept { return remote_; }
    pattern_settings const&               defaults() const noexcept { return defaults_; }

    void take(manager_options const& options);

    // Why it cannot be taken.
    std::optional<misuse> refusal(global_transaction const& t, std::size_t payload_limit) const;

    // Throws misuse.
    void check_ops(std::string const& gid, std::string const& trans_type, std::vector<branch_op> const& ops,
                   std::size_t payload_limit) const;

private:
    std::optional<misuse> refusal_of_steps(global_transaction const& t) const;
    void                  check_settings(global_transaction const& t) const;
    void                  check_addresses(global_transaction const& t) const;

    std::shared_ptr<remote_caller> remote_;
    pattern_settings               defaults_;
};

create_write creation_of(global_transaction const& t, status s);
std::size_t  size_of(global_transaction const& t);

// Answers that are none.
std::exception_ptr wrong_status(std::string const& gid, std::string const& is, std::string const& verb);
std::exception_ptr wrong_type(std::string const& gid, std::string const& is, std::string const& verb);
std::exception_ptr unknown_transaction(std::string const& gid);
std::exception_ptr refused_pattern(write_result const& r, std::string const& gid);

// Null if it is a pattern's of this type.
std::exception_ptr other_type(transaction const& t, std::string const& trans_type, std::string const& verb);

// What was asked for has been written; what became of it cannot be read.
std::exception_ptr applied_but(std::exception_ptr const& error);

}  // namespace detail
}  // namespace v0
}  // namespace weft
