#include "src/store/sql/place.hpp"

#include "src/store/sql/dialect.hpp"
#include "src/store/sql/schema.hpp"

#include <weft/errors.hpp>

#include <soci/mysql/soci-mysql.h>

#include <algorithm>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sys/stat.h>

namespace weft {
inline namespace v0 {
namespace sql_store {

namespace {

constexpr char const* and_ = "; ";

std::string joined_text(place const& p)
{
    std::string text;
    for (auto const& line : p)
        text += (text.empty() ? "" : and_) + line;
    return text;
}

bool shares_a_line(std::string const& text, place const& p)
{
    auto const whole = and_ + text + and_;
    return std::any_of(p.begin(), p.end(), [&](auto const& line) { return whole.find(and_ + line + and_) != std::string::npos; });
}

// The first of these that the server knows. Empty: none.
std::string first_of(detail::server_session& session, std::initializer_list<char const*> questions)
{
    for (auto const* question : questions)
        try
        {
            std::string     answer;
            soci::indicator there = soci::i_null;
            session.sql() << question, soci::into(answer, there);
            if (there == soci::i_ok && !answer.empty())
                return answer;
        }
        catch (soci::soci_error const& e)
        {
            // A variable that this version does not have.
            if (auto const* m = dynamic_cast<soci::mysql_soci_error const*>(&e); !m || m->err_num_ != 1193)
                throw;
        }
    return {};
}

}  // namespace

place place_of_file(std::string const& file)
{
    place        here;
    struct statx s
    { };
    if (::statx(AT_FDCWD, file.c_str(), 0, STATX_INO | STATX_BTIME, &s) == 0 && (s.stx_mask & STATX_BTIME) != 0)
        here.push_back("the file with inode " + std::to_string(s.stx_ino) + ", made at " + std::to_string(s.stx_btime.tv_sec) + '.' +
                       std::to_string(s.stx_btime.tv_nsec));
    std::string machine;
    std::ifstream("/etc/machine-id") >> machine;
    std::error_code failed;
    auto const      path = std::filesystem::canonical(file, failed);
    here.push_back((failed ? file : path.string()) + " on machine " + (machine.empty() ? "without a number" : machine));
    return here;
}

place place_of_database(detail::server_session& session, std::string const& prefix)
{
    auto& sql = session.sql();
    if (session.kind() == detail::server_kind::postgres)
    {
        std::string cluster, number, name, schema;
        int         allowed = 0;
        sql << "SELECT CAST(has_function_privilege('pg_control_system()', 'EXECUTE') AS int)", soci::into(allowed);
        if (allowed != 0)
            sql << "SELECT CAST(system_identifier AS text) FROM pg_control_system()", soci::into(cluster);
        sql << "SELECT CAST(oid AS text), CAST(datname AS text), CAST(current_schema() AS text) FROM pg_database WHERE datname = "
               "current_database()",
            soci::into(number), soci::into(name), soci::into(schema);
        auto const rest = " of cluster " + cluster + ", schema " + schema + ", tables " + prefix + "*";
        return {"database number " + number + rest, "database " + name + rest};
    }
    std::string       name, made;
    std::string const kv = prefix + "kv";
    soci::indicator   there = soci::i_null;
    auto const        server = first_of(session, {"SELECT @@server_uuid", "SELECT @@server_uid", "SELECT CONCAT(@@hostname, ':', @@port)"});
    sql << "SELECT DATABASE()", soci::into(name);
    sql << "SELECT CAST(create_time AS char(30)) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = :kv",
        soci::use(kv), soci::into(made, there);
    place here{"database " + name + " of server " + server + ", tables " + prefix + "*"};
    if (there == soci::i_ok)
        here.push_back("table " + kv + " made at " + made);
    return here;
}

bool is_settled(soci::session& sql, table_names const& tables, place const& here)
{
    std::string     was;
    soci::indicator there = soci::i_null;
    sql << "SELECT v FROM " + tables.kv + " WHERE cat = 'store' AND k = 'place'", soci::into(was, there);
    return there == soci::i_ok && was == joined_text(here);
}

void settle(soci::session& sql, sql_words const& words, table_names const& tables, std::string const& insert_if_absent, place const& here,
            relocation said, std::string const& name)
{
    std::string const where = " WHERE cat = 'store' AND k = 'place'";
    auto const        now = joined_text(here);
    std::string       was;
    soci::indicator   there = soci::i_null;
    sql << "SELECT v FROM " + tables.kv + where, soci::into(was, there);
    if (there != soci::i_ok)
    {
        change(sql, insert_if_absent + " " + tables.kv + " (cat, k, v) SELECT 'store', 'place', " + words.literal(now) +
                        (insert_if_absent == "INSERT INTO" ? " ON CONFLICT DO NOTHING" : ""));
        return;
    }
    if (was == now)
        return;
    if (!shares_a_line(was, here))
    {
        if (said == relocation::unsaid)
            throw store_elsewhere(
                name + " holds a store that lived elsewhere. There: " + was + ". Here: " + now +
                ". If it was moved, and the other one is gone for good, open it with ?store=moved once. If it is a copy of one that "
                "lives on, as production is restored for a trial, with ?store=cloned: then it gets an id of its own, and what is "
                "in flight in it is paused, for it may be the other one's to finish");
        if (said == relocation::cloned)
        {
            auto const why =
                words.literal("it was in flight when the store was cloned: the store that it was cloned from may finish it. Resume it "
                              "only if that is gone");
            change(sql, "UPDATE " + tables.global + " SET owner = '', paused_reason = " + why + ", last_error = " + why +
                            ", next_cron_time = " + words.time(end_of_time) + " WHERE " + unfinished + " AND paused_reason IS NULL");
            change(sql, "DELETE FROM " + tables.kv + " WHERE cat IN ('engine', 'dead engine')");
            change(sql, "UPDATE " + tables.kv + " SET v = " + words.literal(new_store_id()) + " WHERE cat = 'store' AND k = 'id'");
        }
    }
    change(sql, "UPDATE " + tables.kv + " SET v = " + words.literal(now) + where);
}

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
