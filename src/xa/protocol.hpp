// The XA statements of each kind of server.
#pragma once

#include "src/sql/server_session.hpp"
#include "src/xa/xid.hpp"

#include <exception>
#include <string>
#include <vector>

namespace weft {
inline namespace v0 {
namespace detail {

enum class finished
{
    done,
    unknown,  // there is no prepared transaction of this name, as far as this session can see
    undone    // to commit: the server has rolled it back by itself
};

// On one session. Errors: what SOCI throws.
class xa_protocol
{
public:
    explicit xa_protocol(server_session& session) : session_(session), postgres_(session.kind() == server_kind::postgres) { }

    void start(xid const& x);

    // Ends the work and prepares it. On MariaDB nobody else can finish it before this session is closed.
    void prepare(xid const& x);

    // Undoes work that is not prepared. False: the session is of no further use.
    bool abandon(xid const& x) noexcept;

    finished commit(xid const& x) { return finish(x, true); }
    finished roll_back(xid const& x) { return finish(x, false); }

    // All that are prepared on the server, of whomever: of those that this database can finish.
    std::vector<xid> prepared();

    // True if this session must be closed after `prepare`.
    bool holds_what_it_prepared() const noexcept { return !postgres_; }

private:
    finished    finish(xid const& x, bool commit);
    std::string name(xid const& x) const;

    server_session& session_;
    bool            postgres_;
};

// Throws std::runtime_error, with the setting to change, if the server prepares nothing or does not say what is prepared.
void check_xa(server_session& session);

}  // namespace detail
}  // namespace v0
}  // namespace weft
