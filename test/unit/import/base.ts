// A configuration with every word that the importer knows, in a place where it counts.

export const base = `$VIP=192.0.2.80
SSL {
  password secret
  ca /etc/ssl/ca.pem
  certificate /etc/ssl/own.pem
  key /etc/ssl/own.key
}
virtual_server_group WEB {
  192.0.2.81-82 80
  192.0.2.96/31 80
  fwmark 7
}
virtual_server $VIP 80 {
  delay_loop 6
  lb_algo sh
  sh-port
  sh-fallback
  flag-3
  lb_kind DR
  protocol TCP
  persistence_timeout 50
  persistence_granularity 255.255.255.0
  persistence_engine sip
  ha_suspend
  hashed
  smtp_alert
  virtualhost www.example.org
  snmp_name shop
  alpha
  omega
  quorum 4
  hysteresis 2
  quorum_up "/bin/up now" root
  quorum_down "/bin/down now"
  weight 3
  retry 2
  delay_before_retry 2
  warmup 5
  connect_timeout 4
  inhibit_on_failure
  sorry_server 10.9.9.9 80
  sorry_server_inhibit
  sorry_server_lvs_method DR
  real_server 10.1.0.1 80 {
    weight 2
    lvs_method DR
    uthreshold 100
    lthreshold 50
    notify_up "/bin/tell up"
    notify_down "/bin/tell down"
    smtp_alert
    snmp_name web1
    delay_loop 5
    connect_timeout 3
    delay_before_retry 3
    HTTP_GET {
      http_protocol 1.0
      nb_get_retry 5
      fast_recovery no
      connect_ip 10.5.0.1
      connect_port 81
      bindto 10.1.0.254
      bind_port 4000
      bind_if eth1
      fwmark 5
      log_all_failures
      warmup 3
      url {
        path /health
        status_code 200 300-302
        virtualhost health.example.org
        regex "all well"
        regex_options caseless
        regex_min_offset 1
        regex_max_offset 9
        regex_stack 10 20
      }
      url {
        path /digest
        digest 640205b7b0fc66c1ea91c463fac6334d
        tls_compliant no
      }
    }
  }
  real_server 10.1.0.2 80 {
    inhibit_on_failure no
    alpha no
    virtualhost rs.example.org
    retry 3
    warmup 4
    SSL_GET {
      enable_sni no
      sni_name sni.example.org
      tls_compliant off
      url {
        path /
        regex fail
        regex_no_match
      }
    }
  }
  real_server 10.1.0.3 80 {
    SMTP_CHECK {
      helo_name lb.example.org
      host {
        connect_ip 10.5.0.3
      }
    }
    DNS_CHECK {
      type A
      name example.org
    }
  }
  real_server 10.1.0.4 80 {
    MISC_CHECK {
      misc_path "/bin/check it"
      misc_timeout 9
      misc_dynamic
      user nobody nogroup
    }
    BFD_CHECK {
      name b1
    }
    FILE_CHECK {
      track_file load
      weight 2 reverse
    }
  }
}
virtual_server group WEB {
  lvs_sched mh
  mh-port
  mh-fallback
  flag-3
  lvs_method TUN type gue port 5555 csum
  protocol UDP
  ip_family inet
  ops
  real_server 10.1.0.5 80 {
    UDP_CHECK {
      payload 00 11
      require_reply 01xx 02
      min_reply_length 2
      max_reply_length 99
    }
    PING_CHECK {
      alpha
      connect_timeout 1
    }
  }
  real_server 10.1.0.6 80 {
    UDP_CHECK {
      payload 22
    }
    TCP_CHECK {
      retry 0
      delay_loop 2
      connect_port 83
    }
  }
}
virtual_server fwmark 9 {
  lvs_sched rr
  flag-1
  flag-2
  real_server 10.1.0.7 0 {
    TCP_CHECK {
      connect_port 80
      retry 4
      delay_before_retry 9
    }
  }
}
`
