#include "src/sql/server_session.hpp"

#include <weft/errors.hpp>

#include <soci/mysql/soci-mysql.h>
#include <soci/postgresql/soci-postgresql.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <unistd.h>

namespace weft {
inline namespace v0 {
namespace detail {

namespace {

// SOCI's MySQL reads key='value' pairs in which a backslash takes the next character as it is.
void add(std::string& to, std::string_view key, std::string_view value)
{
    (to += to.empty() ? "" : " ") += key;
    to += "='";
    for (char const c : value)
    {
        if (c == '\'' || c == '\\')
            to += '\\';
        to += c;
    }
    to += '\'';
}

// libpq's URL, every character of a value written as its code: SOCI takes the string apart at spaces and quotation marks, and joins it again
// not quite as it was.
void add_parameter(std::string& to, std::string_view key, std::string_view value)
{
    constexpr char digits[] = "0123456789ABCDEF";
    (to += to.empty() ? "postgresql:///?" : "&") += key;
    to += '=';
    for (unsigned char const c : value)
        if (std::isalnum(c))
            to += static_cast<char>(c);
        else
            ((to += '%') += digits[c >> 4]) += digits[c & 15];
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
    std::string text, host = url.hosts();
    bool        chooses = false;
    // A backslash in a literal is a backslash, whatever the server, the database and the account say.
    std::string settings = setting("standard_conforming_strings", "on");
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
        settings += setting("idle_in_transaction_session_timeout", std::to_string(xa_silence.count() * 1'000));
    std::string application = "weft";
    for (auto const& [name, value] : url.options)
        if (name == "host")
            host = value;
        else if (name == "application_name")
            application = value;
        else if (name.starts_with("ssl") || name == "target_session_attrs")
        {
            add_parameter(text, name, value);
            chooses = chooses || name == "target_session_attrs";
        }
        else if (name == "pooler" && value == "session")
            continue;
        else
            refuse_option(name, "connect_timeout, statement_timeout, lock_timeout, schema, host (a socket's directory), application_name, "
                                "pooler=session and "
                                "libpq's target_session_attrs, sslmode, sslrootcert, sslcert, sslkey, …");
    // Of several, one that takes writes: the others are its replicas.
    if (!url.others.empty() && !chooses)
        add_parameter(text, "target_session_attrs", "read-write");
    add_parameter(text, "host", host);
    add_parameter(text, "port", url.ports());
    if (!url.user.empty())
        add_parameter(text, "user", url.user);
    if (!url.password.empty())
        add_parameter(text, "password", url.password);
    add_parameter(text, "dbname", url.database);
    add_parameter(text, "connect_timeout", whole_seconds(options.connect_timeout));
    add_parameter(text, "application_name", application);
    add_parameter(text, "client_encoding", "UTF8");
    // A server that went away without a word is noticed: what was sent is not acknowledged, or nothing comes for long.
    add_parameter(text, "keepalives_idle", "10");
    add_parameter(text, "keepalives_interval", "5");
    add_parameter(text, "keepalives_count", "3");
    add_parameter(text, "tcp_user_timeout", std::to_string(std::max<long long>(10'000, options.statement_timeout.count())));
    add_parameter(text, "options", settings);
    return text;
}

bool is_certificate(std::string_view name) { return name == "sslca" || name == "sslcert" || name == "sslkey"; }

// The client library passes over a file that is not there, and connects without.
void check_readable(std::string const& name, std::string const& file)
{
    if (file.empty() || ::access(file.c_str(), R_OK) != 0)
        throw misuse(misuse::code::wrong_call, name + " in a database URL names a file that cannot be read: " + file + ": " +
                                                   std::strerror(file.empty() ? ENOENT : errno));
}

std::string authorities_of_the_machine()
{
    for (auto const* file :
         {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"})
        if (::access(file, R_OK) == 0)
            return file;
    throw misuse(misuse::code::wrong_call, "this machine keeps no list of certificate authorities: say sslca=FILE in the database URL");
}

enum class ssl_mode
{
    unsaid,
    disable,
    verify_ca,   // encrypted, and the certificate leads to an authority
    verify_full  // and it is for this host
};

// What is said of MySQL; PostgreSQL's client knows for itself.
ssl_mode mysql_ssl_mode(server_url const& url)
{
    auto said = ssl_mode::unsaid;
    for (auto const& [name, value] : url.options)
        if (is_certificate(name))
            said = ssl_mode::verify_full;
    for (auto const& [name, value] : url.options)
        if (name == "sslmode")
        {
            if (value != "require" && value != "verify-full" && value != "verify-ca" && value != "disable")
                throw misuse(misuse::code::wrong_call, "sslmode in a mysql:// URL is require, verify-full, verify-ca or disable");
            if (value == "disable" && said == ssl_mode::verify_full)
                throw misuse(misuse::code::wrong_call, "sslmode=disable in a database URL, and certificates beside it");
            said = value == "disable" ? ssl_mode::disable : value == "verify-ca" ? ssl_mode::verify_ca : ssl_mode::verify_full;
        }
    return said;
}

// What the client library is told of the host. It takes a text with an equals sign for a list of options, which is the one way to have it check
// that the certificate is for this host: SOCI has no word for that, and connects as soon as it is made.
std::string mysql_host(server_url const& url, bool verified)
{
    auto const plain = [](unsigned char c) { return std::isalnum(c) || c == '.' || c == '-' || c == ':' || c == '_' || c == '%'; };
    if (!std::all_of(url.host.begin(), url.host.end(), plain))
        throw misuse(misuse::code::wrong_call, "the host in a mysql:// URL is a name or an address");
#ifdef mariadb_connect
    if (verified)
        return "host=" + url.host + ";protocol=" + std::to_string(MYSQL_PROTOCOL_TCP) + ";ssl-verify-server-cert=1";
#else
    if (verified)
        throw misuse(misuse::code::wrong_call,
                     "the client library that weft was built with cannot be asked to check that the server's certificate "
                     "is for this host (MariaDB's can): say sslmode=verify-ca to do without");
#endif
    // The client library takes "localhost" for its socket, wherever that is.
    return url.host == "localhost" ? "127.0.0.1" : url.host;
}

std::string mysql_connect_string(server_url const& url, server_options const& options)
{
    std::string text;
    bool        socket = false, files = false, trusts = false;
    for (auto const& [name, value] : url.options)
        if (name == "unix_socket")
        {
            add(text, name, value);
            socket = true;
        }
        else if (is_certificate(name))
        {
            check_readable(name, value);
            add(text, name, value);
            trusts = trusts || name == "sslca";
            files = true;
        }
        else if (name != "sslmode")
            refuse_option(name, "connect_timeout, statement_timeout, lock_timeout, unix_socket, sslmode, sslca, sslcert and sslkey");
    auto const mode = mysql_ssl_mode(url);
    // SOCI has the client library ask for encryption if it is given this one.
    if ((files || mode >= ssl_mode::verify_ca) && !trusts)
        add(text, "sslca", authorities_of_the_machine());
    if (!socket)  // which has no name that a certificate could be for
    {
        add(text, "host", mysql_host(url, mode == ssl_mode::verify_full));
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

// As the server has reported them by itself.
std::string parameters_of(PGconn* c, std::initializer_list<char const*> names)
{
    std::string text;
    for (auto const* name : names)
        if (auto const* value = PQparameterStatus(c, name))
            (text += value) += '|';
    return text;
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

// ER_CANT_CREATE_FILE … of a full disk or memory, of too many connections, of a shutdown, of a network that broke, of a killed statement
// or connection, of a statement that took too long (MariaDB, MySQL), ER_RECORD_FILE_FULL, ER_GET_ERRNO.
constexpr std::array<unsigned, 27> mysql_passing{3,    1021, 1026, 1030, 1037, 1038, 1040, 1041, 1053, 1077, 1079, 1114, 1129, 1152,
                                                 1158, 1159, 1160, 1161, 1184, 1203, 1226, 1317, 1927, 1969, 3024, 1836, 1290};

// ER_READ_ONLY_MODE; ER_OPTION_PREVENTS_STATEMENT, which names the option
bool says_read_only(unsigned code, std::string_view message)
{
    return code == 1836 || (code == 1290 && message.find("read-only") != std::string_view::npos);
}

}  // namespace

void check_url(server_url const& url, server_options const& options, server_session::purpose why) { parameters(url, options, why); }

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

bool may_pass(std::exception const& e) noexcept
{
    if (auto const* p = dynamic_cast<soci::postgresql_soci_error const*>(&e))
    {
        auto const state = p->sqlstate();
        auto const of_class = std::string_view(state).substr(0, 2);
        // Connection, rollback of a transaction, resources, an operator, the system; a lock; a read-only server. None: libpq says it.
        return of_class == "08" || of_class == "40" || of_class == "53" || of_class == "57" || of_class == "58" || state == "55P03" ||
               state == "25006" || state.empty() || state.front() == ' ';
    }
    if (auto const* m = dynamic_cast<soci::mysql_soci_error const*>(&e))
        return (m->err_num_ >= 2000 && m->err_num_ < 3000) || is_one_of(m->err_num_, mysql_conflict) ||
               is_one_of(m->err_num_, mysql_passing);
    return true;
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

namespace {

// The server was reached, and will not have us.
bool refuses(std::exception const& e)
{
    if (!may_pass(e))
        return true;
    if (!dynamic_cast<soci::soci_error const*>(&e) || dynamic_cast<soci::mysql_soci_error const*>(&e))
        return false;
    // libpq has no SQLSTATE for it, and what it says may be in any language: then it is taken for a server that nobody reached.
    constexpr std::string_view words[] = {"\" does not exist",          "authentication failed",          "no pg_hba.conf entry",
                                          "is not permitted to log in", "permission denied for database", "no password supplied"};
    std::string_view const     text = e.what();
    return std::any_of(std::begin(words), std::end(words), [&](auto w) { return text.find(w) != text.npos; });
}

// SOCI asks PostgreSQL something before it hands a session out, and libpq's time-out for connecting does not hold for that.
std::unique_ptr<soci::session> opened(server_url const& url, server_options const& options, server_session::purpose why)
{
    auto const what = parameters(url, options, why);
    if (url.kind != server_kind::postgres)
        return std::make_unique<soci::session>(what);
    auto const made = std::make_shared<std::unique_ptr<soci::session>>();
    auto const limit = options.answer_limit();
    auto const hosts = url.hosts();
    auto const connecting = options.connect_timeout * (1 + std::count(hosts.begin(), hosts.end(), ','));
    options.watch->open([made, what] { *made = std::make_unique<soci::session>(what); }, limit.count() == 0 ? limit : limit + connecting);
    return std::move(*made);
}

}  // namespace

server_session::server_session(server_url const& url, server_options const& options, purpose why)
try : kind_(url.kind), opened_(opened(url, options, why))
{
    if (kind_ == server_kind::postgres)
        options.watch->watch(watched_, PQsocket(postgres_of(sql_)), options.answer_limit(),
                             [c = postgres_of(sql_)] { return PQtransactionStatus(c) == PQTRANS_ACTIVE; });
    else
        options.watch->watch(watched_, static_cast<int>(mysql_of(sql_)->net.fd), options.answer_limit(),
                             [c = mysql_of(sql_)] { return c->net.reading_or_writing != 0; });
    if (kind_ == server_kind::postgres)
    {
        // Notices are for people at a terminal; a library prints nothing.
        PQsetNoticeProcessor(
            postgres_of(sql_), [](void*, char const*) {}, nullptr);
        // Not by a connection option: quotes and spaces do not survive the way there.
        if (!options.schema.empty())
            execute("SET search_path TO " + quoted_identifier(options.schema));
        refuse_pooler(url);
        settings_ = settings();
        reading_ = reading();
        return;
    }
    check_encryption(url);
    std::string version, mode;
    sql_ << "SELECT version(), @@sql_mode", soci::into(version), soci::into(mode);
    mariadb_ = version.find("MariaDB") != std::string::npos;
    blocks_ = mariadb_ && (why == purpose::store || mode.find("ORACLE") == std::string::npos);
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
    if (why == purpose::participant)
        set += "autocommit = 0, ";
    if (set.size() > 4)
        execute(set.substr(0, set.size() - 2));
    if (why == purpose::store)
    {
        execute(std::string("SET NAMES utf8mb4 COLLATE ") + (mariadb_ ? "utf8mb4_nopad_bin" : "utf8mb4_0900_bin"));
        execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED");
    }
    settings_ = settings();
    reading_ = reading();
}
catch (misuse const&)
{
    throw;
}
catch (std::exception const& e)
{
    auto const what = url.describe() + ": " + server_message(e);
    if (refuses(e))
        throw session_refused(what);
    throw std::runtime_error(what);
}

void server_session::execute(std::string const& text)
{
    soci::statement s(sql_);
    s.alloc();
    s.prepare(text, soci::details::st_one_time_query);
    s.define_and_bind();
    s.execute(true);
}

void server_session::begin(bool reads_only, bool set_up)
{
    bool const postgres = kind_ == server_kind::postgres;
    saves_point_ = !reads_only && !(postgres && set_up);
    if (!saves_point_)
        return execute(reads_only ? "START TRANSACTION READ ONLY" : "START TRANSACTION");
    execute(postgres ? postgres_begin : "SAVEPOINT weft_operation");  // on MySQL autocommit is off
}

void server_session::commit()
{
    if (saves_point_ && kind_ == server_kind::postgres)
        return execute(std::string(postgres_before_end) + "COMMIT");
    if (saves_point_ && blocks_)
        return execute("BEGIN NOT ATOMIC RELEASE SAVEPOINT weft_operation; COMMIT; END");
    if (saves_point_)
        execute("RELEASE SAVEPOINT weft_operation");
    execute("COMMIT");
}

bool server_session::is_as_it_was() noexcept { return settings() == settings_; }

bool server_session::has_warned() noexcept { return kind_ == server_kind::mysql && mysql_warning_count(mysql_of(sql_)) > 0; }

bool server_session::reads_as_before() noexcept { return reading() == reading_; }

std::string server_session::reading() noexcept
{
    if (kind_ == server_kind::postgres)
        return parameters_of(postgres_of(sql_), {"standard_conforming_strings", "client_encoding"});
    auto* const    c = mysql_of(sql_);
    constexpr auto flags = SERVER_STATUS_AUTOCOMMIT | SERVER_STATUS_NO_BACKSLASH_ESCAPES;
    return std::to_string(c->server_status & flags) + mysql_character_set_name(c);
}

std::string server_session::settings() noexcept
{
    if (kind_ == server_kind::mysql)
        return reading() + (mysql_of(sql_)->db ? mysql_of(sql_)->db : "");
    return reading() + parameters_of(postgres_of(sql_), {"TimeZone", "DateStyle", "IntervalStyle", "session_authorization",
                                                         "search_path"});  // the last one since PostgreSQL 18
}

// Behind a pooler the next statement may come to another session of the server, which knows nothing of our settings and statements. It gives its
// clients a number of its own to cancel by, in place of the server's.
void server_session::refuse_pooler(server_url const& url)
{
    if (std::find(url.options.begin(), url.options.end(), std::pair<std::string, std::string>("pooler", "session")) != url.options.end())
        return;
    int pid = 0;
    sql_ << "SELECT pg_backend_pid()", soci::into(pid);
    if (pid != PQbackendPID(postgres_of(sql_)))
        throw std::runtime_error("there is a connection pooler before the server (PgBouncer or the like), which may give each transaction "
                                 "another session: connect to the server itself, or, if the pooler keeps a session for each connection "
                                 "(pool_mode = session), say ?pooler=session");
}

std::string server_session::qualified(std::string const& table)
{
    std::string     schema;
    soci::indicator there = soci::i_null;
    sql_ << (kind_ == server_kind::postgres ? "SELECT current_schema()" : "SELECT DATABASE()"), soci::into(schema, there);
    bool const plain =
        !schema.empty() && std::all_of(schema.begin(), schema.end(), [](unsigned char c) { return c == '_' || std::isalnum(c); });
    if (there != soci::i_ok || !plain || table.find('.') != std::string::npos)
        return table;
    char const quote = kind_ == server_kind::postgres ? '"' : '`';
    return quote + schema + quote + '.' + table;
}

void server_session::check_encryption(server_url const& url)
{
    if (mysql_ssl_mode(url) >= ssl_mode::verify_ca && !mysql_get_ssl_cipher(mysql_of(sql_)))
        throw std::runtime_error("the connection is not encrypted, as the URL wants it to be: the server offers no TLS");
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

std::string postgres_literal(std::string_view text)
{
    bool const  escapes = text.find('\\') != std::string_view::npos;
    std::string literal = escapes ? " E'" : "'";
    for (char const c : text)
    {
        if (c == '\'' || c == '\\')
            literal += c;
        literal += c;
    }
    return literal += '\'';
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
