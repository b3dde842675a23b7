import { fileURLToPath } from 'node:url'
import vue from '@vitejs/plugin-vue'
import Components from 'unplugin-vue-components/vite'
import { ElementPlusResolver } from 'unplugin-vue-components/resolvers'
import { defineConfig } from 'vitest/config'

/** Where `npm run dev` finds a running server. */
const server = process.env.CARREL_URL ?? 'http://127.0.0.1:50004'

export default defineConfig({
  plugins: [
    vue(),
    // Only the Element Plus components that a page uses enter its chunk; the style sheet is loaded whole.
    Components({ dirs: [], resolvers: [ElementPlusResolver({ importStyle: false })], dts: false }),
  ],
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  build: {
    // noVNC waits for a codec probe at the top of a module.
    target: 'es2022',
    // Swagger UI is big by nature; it loads only where it is shown.
    chunkSizeWarningLimit: 1600,
    rolldownOptions: {
      input: { console: 'index.html', docs: 'docs.html' },
      output: {
        codeSplitting: {
          // What nearly every page needs comes in two files instead of a hundred; a page adds one of its own.
          groups: [
            { name: 'libraries', test: /node_modules[\\/](?!@novnc|swagger-ui)/, priority: 2 },
            {
              name: 'common',
              test: /src[\\/](api|components|composables|events|lib|locales|stores)[\\/]/,
              priority: 1,
            },
          ],
        },
      },
    },
  },
  server: {
    proxy: {
      '/api': { target: server, secure: false, ws: true },
      // Registering is a call of document 000; what lies below is a page.
      '^/account/?(\\?|$)': { target: server, secure: false },
    },
  },
  test: { include: ['src/**/*.test.ts'] },
})
