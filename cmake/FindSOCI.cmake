# FindSOCI: SOCI 4.0, which Debian ships without a CMake config. Installed with weft, whose package config uses it.
#
#   find_package(SOCI [COMPONENTS sqlite3 postgresql mysql])
#
# SOCI::soci            the core; headers as <soci/soci.h>
# SOCI::<backend>       a backend; headers as <soci/<backend>/soci-<backend>.h>, and where the database client's own
#                       headers are needed by them, those (of MySQL the client itself, too, which has no package config)
# SOCI_FOUND, SOCI_VERSION, SOCI_<backend>_FOUND
#
# Only <prefix>/include is given to the compiler, never <prefix>/include/soci: that holds an error.h and a version.h,
# which would then hide the system's.

find_path(SOCI_INCLUDE_DIR NAMES soci/soci.h)
find_library(SOCI_LIBRARY NAMES soci_core soci_core_4_0)
mark_as_advanced(SOCI_INCLUDE_DIR SOCI_LIBRARY)

if(SOCI_INCLUDE_DIR AND EXISTS ${SOCI_INCLUDE_DIR}/soci/version.h)
    file(STRINGS ${SOCI_INCLUDE_DIR}/soci/version.h _soci_version REGEX "#define SOCI_LIB_VERSION +\"")
    string(REGEX REPLACE ".*\"([0-9]+)_([0-9]+)(_([0-9]+))?\".*" "\\1.\\2.\\4" SOCI_VERSION "${_soci_version}")
    string(REGEX REPLACE "[.]$" "" SOCI_VERSION "${SOCI_VERSION}")
endif()

if(SOCI_INCLUDE_DIR AND SOCI_LIBRARY AND NOT TARGET SOCI::soci)
    add_library(SOCI::soci UNKNOWN IMPORTED)
    set_target_properties(SOCI::soci PROPERTIES
        IMPORTED_LOCATION ${SOCI_LIBRARY}
        INTERFACE_INCLUDE_DIRECTORIES ${SOCI_INCLUDE_DIR}
        INTERFACE_LINK_LIBRARIES "${CMAKE_DL_LIBS}")            # SOCI loads backends by name as well
endif()

foreach(_soci_backend IN LISTS SOCI_FIND_COMPONENTS)
    find_path(SOCI_${_soci_backend}_INCLUDE_DIR NAMES soci/${_soci_backend}/soci-${_soci_backend}.h HINTS ${SOCI_INCLUDE_DIR})
    find_library(SOCI_${_soci_backend}_LIBRARY NAMES soci_${_soci_backend} soci_${_soci_backend}_4_0)
    mark_as_advanced(SOCI_${_soci_backend}_INCLUDE_DIR SOCI_${_soci_backend}_LIBRARY)

    # The backend's header includes the client's: <sqlite3.h>, <libpq-fe.h>, <mysql.h>.
    set(_soci_client_dir "")
    if(_soci_backend STREQUAL "sqlite3")
        find_path(SOCI_sqlite3_CLIENT_DIR NAMES sqlite3.h)
    elseif(_soci_backend STREQUAL "postgresql")
        find_path(SOCI_postgresql_CLIENT_DIR NAMES libpq-fe.h PATH_SUFFIXES postgresql pgsql)
    elseif(_soci_backend STREQUAL "mysql")
        find_path(SOCI_mysql_CLIENT_DIR NAMES mysql.h PATH_SUFFIXES mariadb mysql)
        find_library(SOCI_mysql_CLIENT_LIBRARY NAMES mariadb mysqlclient)
        mark_as_advanced(SOCI_mysql_CLIENT_LIBRARY)
    endif()
    mark_as_advanced(SOCI_${_soci_backend}_CLIENT_DIR)

    if(SOCI_${_soci_backend}_INCLUDE_DIR AND SOCI_${_soci_backend}_LIBRARY AND SOCI_${_soci_backend}_CLIENT_DIR)
        set(SOCI_${_soci_backend}_FOUND TRUE)
        if(TARGET SOCI::soci AND NOT TARGET SOCI::${_soci_backend})
            add_library(SOCI::${_soci_backend} UNKNOWN IMPORTED)
            set_target_properties(SOCI::${_soci_backend} PROPERTIES
                IMPORTED_LOCATION ${SOCI_${_soci_backend}_LIBRARY}
                INTERFACE_INCLUDE_DIRECTORIES
                    "${SOCI_${_soci_backend}_INCLUDE_DIR};${SOCI_${_soci_backend}_CLIENT_DIR}"
                INTERFACE_LINK_LIBRARIES "SOCI::soci;${SOCI_${_soci_backend}_CLIENT_LIBRARY}")
        endif()
    endif()
endforeach()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(SOCI
    REQUIRED_VARS SOCI_LIBRARY SOCI_INCLUDE_DIR
    VERSION_VAR SOCI_VERSION
    HANDLE_COMPONENTS)
