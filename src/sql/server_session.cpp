#include "src/sql/server_session.hpp"

#include <weft/errors.hpp>

#include <soci/mysql/soci-mysql.h>
#include <soci/postgresql/soci-postgresql.h>

#include <algorithm>
#include <array>
#include <cctype>

namespace weft {
inline namespace v0 {
namespace detail {

namespace {

// SOCI and libpq both read key='value' pairs in which a backslash takes the next character as it is.
std::string quoted(std::string_view value)
{
    std::string out = "'";
    for (char const c : value)
    {
        if (c == '\'' || c == '\\')
            out += '\\';
        out += c;
    }
    return out += '\'';
}

void add(std::string& to, std::string_view key, std::string_view value)
{
    if (!to.empty())
        to += ' ';
    (to += key) += '=';
    to += quoted(value);
}

std::string whole_seconds(std::chrono::milliseconds t)
{
    return std::to_string(std::max<long long>(1, std::chrono::ceil<std::chrono::seconds>(t).count()));
}

[[noreturn]] void refuse_option(std::string const& name, char const* known)
{
    throw misuse(misuse::code::wrong_call, "a database URL has no option \"" + name + "\" here: there are " + known);
}

// One of libpq's `options`: -c name=value, where the value is a plain word.
std::string setting(std::string_view name, std::string_view value) { return " -c " + std::string(name) + '=' + std::string(value); }

std::string quoted_identifier(std::string_view name)
{
    std::string out = "\"";
    for (char const c : name)
        (out += c) += c == '"' ? "\"" : "";
    return out += '"';
}

// How long an XA session may be silent within a transaction.
constexpr std::chrono::seconds xa_silence{30};

std::string postgres_connect_string(server_url const& url, server_options const& options, server_session::purpose why)
{
    std::string text, host = url.host;
    std::string settings;
    if (options.statement_timeout.count() > 0)
        settings += setting("statement_timeout", std::to_string(options.statement_timeout.count()));
    if (options.lock_timeout.count() > 0)
        settings += setting("lock_timeout", std::to_string(options.lock_timeout.count()));
    if (why == server_session::purpose::store)
        // enable_seqscan: all that the store writes it finds by keys. A plan that was made while the tables were empty reads them from end
        // to end, and is kept until the server analyses them, which takes it a minute.
        settings += setting("timezone", "UTC") + setting("idle_in_transaction_session_timeout", "5000") +
                    setting("synchronous_commit", "on") + setting("enable_seqscan", "off");
    if (why == server_session::purpose::xa)
        settings += setting("idle_in_transaction_session_timeout", std::to_string(xa_silence.count() * 1'000)) +
                    setting("standard_conforming_strings", "on");
    std::string application = "weft";
    for (auto const& [name, value] : url.options)
        if (name == "host")
            host = value;
        else if (name == "application_name")
            application = value;
        else if (name.starts_with("ssl"))
            add(text, name, value);
        else
            refuse_option(name,
                          "connect_timeout, statement_timeout, lock_timeout, schema, host (a socket's directory), application_name and "
                          "libpq's sslmode, sslrootcert, sslcert, sslkey, …");
    add(text, "host", host);
    add(text, "port", std::to_string(url.port));
    if (!url.user.empty())
        add(text, "user", url.user);
    if (!url.password.empty())
        add(text, "password", url.password);
    add(text, "dbname", url.database);
    add(text, "connect_timeout", whole_seconds(options.connect_timeout));
    add(text, "application_name", application);
    add(text, "client_encoding", "UTF8");
    // A server that went away without a word is noticed: what was sent is not acknowledged, or nothing comes for long.
    add(text, "keepalives_idle", "10");
    add(text, "keepalives_interval", "5");
    add(text, "keepalives_count", "3");
    add(text, "tcp_user_timeout", std::to_string(std::max<long long>(10'000, options.statement_timeout.count())));
    add(text, "options", settings);
    return text;
}

std::string mysql_connect_string(server_url const& url, server_options const& options)
{
    std::string text;
    bool        socket = false;
    for (auto const& [name, value] : url.options)
        if (name == "unix_socket" || name == "sslca" || name == "sslcert" || name == "sslkey")
        {
            add(text, name, value);
            socket = socket || name == "unix_socket";
        }
        else
            refuse_option(name, "connect_timeout, statement_timeout, lock_timeout, unix_socket, sslca, sslcert and sslkey");
    // The client library takes "localhost" for its socket, wherever that is.
    if (!socket)
    {
        add(text, "host", url.host == "localhost" ? "127.0.0.1" : url.host);
        add(text, "port", std::to_string(url.port));
    }
    if (!url.user.empty())
        add(text, "user", url.user);
    if (!url.password.empty())
        add(text, "password", url.password);
    add(text, "db", url.database);
    add(text, "charset", "utf8mb4");
    add(text, "connect_timeout", whole_seconds(options.connect_timeout));
    // Past the server's own limit, so that it can still say what happened.
    if (options.answer_limit().count() > 0)
    {
        auto const patience = whole_seconds(options.answer_limit());
        add(text, "read_timeout", patience);
        add(text, "write_timeout", patience);
    }
    return text;
}

soci::connection_parameters parameters(server_url const& url, server_options const& options, server_session::purpose why)
{
    if (url.kind == server_kind::postgres)
        return {soci::postgresql, postgres_connect_string(url, options, why)};
    return {soci::mysql, mysql_connect_string(url, options)};
}

PGconn* postgres_of(soci::session& sql) { return static_cast<soci::postgresql_session_backend*>(sql.get_backend())->conn_; }
MYSQL*  mysql_of(soci::session& sql) { return static_cast<soci::mysql_session_backend*>(sql.get_backend())->conn_; }

template <std::size_t N>
bool is_one_of(unsigned code, std::array<unsigned, N> const& codes)
{
    return std::find(codes.begin(), codes.end(), code) != codes.end();
}

// ER_BAD_NULL, ER_DUP_ENTRY, ER_DATA_TOO_LONG, ER_WARN_DATA_OUT_OF_RANGE, ER_TRUNCATED_WRONG_VALUE, its _FOR_FIELD, the two of foreign
// keys, CHECK (MariaDB, MySQL), ER_NET_PACKET_TOO_LARGE, ER_WARN_ALLOWED_PACKET_OVERFLOWED
constexpr std::array<unsigned, 12> mysql_data{1048, 1062, 1406, 1264, 1292, 1366, 1451, 1452, 4025, 3819, 1153, 1301};
// Of these, the ones whose message quotes a value.
constexpr std::array<unsigned, 3> mysql_quoting{1062, 1292, 1366};
// ER_LOCK_WAIT_TIMEOUT, ER_LOCK_DEADLOCK, ER_CHECKREAD
constexpr std::array<unsigned, 3> mysql_conflict{1205, 1213, 1020};

// ER_READ_ONLY_MODE; ER_OPTION_PREVENTS_STATEMENT, which names the option
bool says_read_only(unsigned code, std::string_view message)
{
    return code == 1836 || (code == 1290 && message.find("read-only") != std::string_view::npos);
}

}  // namespace

void server_options::take(server_url& url)
{
    std::erase_if(url.options, [&](auto const& option) {
        auto const& [name, value] = option;
        if (name == "connect_timeout")
            connect_timeout = parse_duration(name, value);
        else if (name == "statement_timeout")
            statement_timeout = parse_duration(name, value);
        else if (name == "answer_timeout")
            answer_timeout = parse_duration(name, value);
        else if (name == "lock_timeout")
            lock_timeout = parse_duration(name, value);
        else if (name == "schema" && url.kind == server_kind::postgres)
            schema = value;
        else
            return false;
        return true;
    });
}

server_fault fault_of(std::exception const& e) noexcept
{
    if (auto const* p = dynamic_cast<soci::postgresql_soci_error const*>(&e))
    {
        auto const state = p->sqlstate();
        if (state == "40001" || state == "40P01" || state == "55P03")
            return server_fault::conflict;
        auto const of_class = std::string_view(state).substr(0, 2);
        return of_class == "22" || of_class == "23" || of_class == "54" ? server_fault::data : server_fault::trouble;
    }
    if (auto const* m = dynamic_cast<soci::mysql_soci_error const*>(&e))
        return is_one_of(m->err_num_, mysql_conflict) ? server_fault::conflict
               : is_one_of(m->err_num_, mysql_data)   ? server_fault::data
                                                      : server_fault::trouble;
    return dynamic_cast<soci::soci_error const*>(&e) ? server_fault::trouble : server_fault::data;
}

bool is_read_only(std::exception const& e)
{
    if (auto const* p = dynamic_cast<soci::postgresql_soci_error const*>(&e))
        return p->sqlstate() == "25006";
    auto const* m = dynamic_cast<soci::mysql_soci_error const*>(&e);
    return m && says_read_only(m->err_num_, m->get_error_message());
}

bool says_no_savepoint(std::exception const& e)
{
    if (auto const* p = dynamic_cast<soci::postgresql_soci_error const*>(&e))
        return p->sqlstate() == "3B001" || p->sqlstate() == "25P01";  // another transaction, none
    auto const* m = dynamic_cast<soci::mysql_soci_error const*>(&e);
    return m && m->err_num_ == 1305;  // ER_SP_DOES_NOT_EXIST
}

namespace {

// Without what the server quotes of the statement's values: payloads appear in no error.
std::string without_values(std::string text, std::exception const& e)
{
    if (auto const* p = dynamic_cast<soci::postgresql_soci_error const*>(&e))
    {
        text = text.substr(0, text.find("\nDETAIL:"));
        if (p->sqlstate().starts_with("22"))
            text = text.substr(0, text.find(": \""));
    }
    else if (auto const* m = dynamic_cast<soci::mysql_soci_error const*>(&e); m && is_one_of(m->err_num_, mysql_quoting))
        if (auto const from = text.find('\''); from != std::string::npos)
        {
            // What follows the value is a name, or nothing: "… for key 'x'", "… for column `d`.`t`.`c` at row 1".
            auto const after = text.rfind("' for ");
            text = text.substr(0, from) + "…" + (after != std::string::npos && after >= from ? text.substr(after + 1) : "");
        }
    return text;
}

}  // namespace

std::string server_message(std::exception const& e)
{
    auto const* const s = dynamic_cast<soci::soci_error const*>(&e);
    auto const        text = s ? without_values(s->get_error_message(), e) : std::string(e.what());
    std::string       line;
    for (char const c : text)
        if (c != '\n' && c != '\t')
            line += c;
        else if (!line.empty() && line.back() != ' ')
            line += ' ';
    while (!line.empty() && std::isspace(static_cast<unsigned char>(line.back())))
        line.pop_back();
    if (auto const* p = dynamic_cast<soci::postgresql_soci_error const*>(&e); p && !p->sqlstate().starts_with(' '))
        line += " (" + p->sqlstate() + ")";
    else if (auto const* m = dynamic_cast<soci::mysql_soci_error const*>(&e))
        line += " (" + std::to_string(m->err_num_) + ")";
    return line;
}

server_session::server_session(server_url const& url, server_options const& options, purpose why)
try : kind_(url.kind), sql_(parameters(url, options, why))
{
    options.watch->watch(watched_, kind_ == server_kind::postgres ? PQsocket(postgres_of(sql_)) : static_cast<int>(mysql_of(sql_)->net.fd),
                         options.answer_limit());
    if (kind_ == server_kind::postgres)
    {
        // Notices are for people at a terminal; a library prints nothing.
        PQsetNoticeProcessor(
            postgres_of(sql_), [](void*, char const*) {}, nullptr);
        // Not by a connection option: quotes and spaces do not survive the way there.
        if (!options.schema.empty())
            execute("SET search_path TO " + quoted_identifier(options.schema));
        return;
    }
    std::string version;
    sql_ << "SELECT version()", soci::into(version);
    mariadb_ = version.find("MariaDB") != std::string::npos;
    std::string set = "SET ";
    if (options.lock_timeout.count() > 0)
        set += "innodb_lock_wait_timeout = " + whole_seconds(options.lock_timeout) + ", ";
    // MySQL limits SELECT only, MariaDB all.
    if (options.statement_timeout.count() > 0)
        set += mariadb_ ? "max_statement_time = " + whole_seconds(options.statement_timeout) + ", "
                        : "max_execution_time = " + std::to_string(options.statement_timeout.count()) + ", ";
    if (why == purpose::xa)
        set += "wait_timeout = " + std::to_string(xa_silence.count()) + ", ";
    // A process that stands still within a local transaction must not keep its rows locked: PostgreSQL has been told above.
    if (why == purpose::store && mariadb_)
        set += "idle_transaction_timeout = 5, ";
    if (why == purpose::store)
        set += "time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', autocommit = 0, ";
    execute(set.substr(0, set.size() - 2));
    if (why == purpose::store)
    {
        execute(std::string("SET NAMES utf8mb4 COLLATE ") + (mariadb_ ? "utf8mb4_nopad_bin" : "utf8mb4_0900_bin"));
        execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED");
    }
}
catch (misuse const&)
{
    throw;
}
catch (std::exception const& e)
{
    throw std::runtime_error(url.describe() + ": " + server_message(e));
}

void server_session::execute(std::string const& text)
{
    soci::statement s(sql_);
    s.alloc();
    s.prepare(text, soci::details::st_one_time_query);
    s.define_and_bind();
    s.execute(true);
}

server_session::transaction server_session::where() noexcept
{
    if (kind_ == server_kind::mysql)
        return (mysql_of(sql_)->server_status & SERVER_STATUS_IN_TRANS) != 0 ? transaction::open : transaction::none;
    switch (PQtransactionStatus(postgres_of(sql_)))
    {
    case PQTRANS_INTRANS:
        return transaction::open;
    case PQTRANS_INERROR:
    case PQTRANS_ACTIVE:
        return transaction::failed;
    default:
        return transaction::none;
    }
}

bool server_session::takes_no_writes() noexcept
{
    if (kind_ == server_kind::mysql)
    {
        auto const& last = mysql_of(sql_)->net;
        return says_read_only(last.last_errno, last.last_error);
    }
    for (auto const* name : {"in_hot_standby", "default_transaction_read_only"})
        if (auto const* value = PQparameterStatus(postgres_of(sql_), name); value && std::string_view(value) == "on")
            return true;
    return false;
}

bool server_session::roll_back() noexcept
{
    try
    {
        if (kind_ == server_kind::postgres && PQtransactionStatus(postgres_of(sql_)) == PQTRANS_IDLE)
            return true;
        execute("ROLLBACK");
        return where() == transaction::none;
    }
    catch (std::exception const&)
    {
        return false;
    }
}

void append_mysql_literal(std::string& to, std::string_view text)
{
    to += '\'';
    for (char const c : text)
        switch (c)
        {
        case '\0':
            to += "\\0";
            break;
        case '\'':
            to += "''";
            break;
        case '\\':
            to += "\\\\";
            break;
        case '\x1a':
            to += "\\Z";
            break;
        default:
            to += c;
        }
    to += '\'';
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
